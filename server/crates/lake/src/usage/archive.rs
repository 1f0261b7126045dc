//! Reading a tar archive from front to back: names and contents of its files.

use std::io::{self, Read};

const BLOCK: usize = 512;
/// Longest name and longest list of attributes that is read.
const MOST_NAME: u64 = 1 << 16;

/// Whether these first bytes begin a tar archive.
pub(super) fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar".as_slice())
}

/// Hands every regular file to `each`, by its name without folders. What `each`
/// leaves unread is passed over.
///
/// # Errors
/// An archive that is cut off or damaged; what `each` refuses.
pub(super) fn files<E: From<io::Error>>(
    mut reader: impl Read,
    mut each: impl FnMut(&str, &mut dyn Read) -> Result<(), E>,
) -> Result<(), E> {
    let mut long_name: Option<String> = None;
    while let Some(header) = block(&mut reader)? {
        if header.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let size = size(&header)?;
        let mut content = Content {
            reader: &mut reader,
            left: size,
        };
        match header[156] {
            b'L' | b'x' if size > MOST_NAME => return Err(damaged().into()),
            b'L' => long_name = Some(read_text(&mut content)?),
            b'x' => long_name = pax_path(&read_text(&mut content)?).or(long_name),
            b'0' | 0 => {
                let name = long_name.take().unwrap_or_else(|| text(&header[..100]));
                each(name.rsplit('/').next().unwrap_or(&name), &mut content)?;
            }
            _ => long_name = None,
        }
        io::copy(&mut content, &mut io::sink())?;
        let padding = (BLOCK as u64 - size % BLOCK as u64) % BLOCK as u64;
        let mut content = Content {
            reader: &mut reader,
            left: padding,
        };
        io::copy(&mut content, &mut io::sink())?;
    }
    // an archive ends with blocks of zeros: this one does not
    Err(cut_off().into())
}

/// The next block; `None` at the end of the input.
fn block(reader: &mut impl Read) -> io::Result<Option<[u8; BLOCK]>> {
    let mut block = [0; BLOCK];
    let mut read = 0;
    while read < BLOCK {
        match reader.read(&mut block[read..])? {
            0 if read == 0 => return Ok(None),
            0 => return Err(cut_off()),
            more => read += more,
        }
    }
    Ok(Some(block))
}

/// The size of an entry, its header checked.
fn size(header: &[u8; BLOCK]) -> io::Result<u64> {
    let octal = |bytes: &[u8]| u64::from_str_radix(text(bytes).trim(), 8).map_err(|_| damaged());
    let blank = |at: usize| (148..156).contains(&at);
    let bytes = header.iter().enumerate();
    let sum: u64 = bytes
        .map(|(at, byte)| if blank(at) { 32 } else { u64::from(*byte) })
        .sum();
    if octal(&header[148..156])? != sum {
        return Err(damaged());
    }
    if header[124] & 0x80 == 0 {
        return octal(&header[124..136]);
    }
    // sizes beyond 8 GiB are binary
    Ok(header[128..136]
        .iter()
        .fold(0, |size, byte| size << 8 | u64::from(*byte)))
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn read_text(content: &mut impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    content.read_to_end(&mut bytes)?;
    Ok(text(&bytes))
}

/// The path among the attributes of an entry, `27 path=some/name\n`.
fn pax_path(attributes: &str) -> Option<String> {
    let path = |line: &str| Some(line.split_once(' ')?.1.strip_prefix("path=")?.to_owned());
    attributes.lines().find_map(path)
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is cut off")
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the archive is damaged")
}

/// The content of an entry. An end before its end is an error.
struct Content<'r, R> {
    reader: &'r mut R,
    left: u64,
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.reader.read(&mut buffer[..most])?;
        if read == 0 {
            return Err(cut_off());
        }
        self.left -= read as u64;
        Ok(read)
    }
}
