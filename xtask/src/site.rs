//! `target/site`: what the server serves besides pages. Every name holds a hash of
//! the content, so browsers may keep it for ever; `manifest.json` gives the names.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::css;
use crate::islands::Islands;
use crate::workspace::Workspace;

/// The most the islands may weigh on the wire (brotli).
const WASM_BUDGET_BYTES: usize = 200_000;

/// Writes islands, stylesheet and assets, each precompressed, then the manifest,
/// then removes what an earlier build left. Prints the sizes.
///
/// # Errors
/// When a source is missing, a file cannot be written, or the WebAssembly misses its budget.
pub fn build(workspace: &Workspace, islands: &Islands) -> Result<()> {
    let mut site = Site::new(workspace.site());
    let mut urls = BTreeMap::new();
    for file in fonts(&workspace.root.join("assets/fonts"))? {
        let name = file_name(&file)?;
        let url = site.add_static(&name, &read(&file)?)?;
        urls.insert(name, url);
    }
    let fonts = urls.clone();
    let favicon = site.add_static("favicon.svg", &read(&workspace.root.join("assets/favicon.svg"))?)?;
    urls.insert("favicon.svg".to_owned(), favicon.clone());
    let stylesheet = css::bundle(&workspace.root.join("frontend/style/main.css"), &urls)?;
    let css = site.add_static("main.css", stylesheet.as_bytes())?;
    let js = site.add_pkg("js", &islands.glue)?;
    let wasm = site.add_pkg("wasm", &islands.wasm)?;
    let manifest = json!({ "css": css, "js": js, "wasm": wasm, "favicon": favicon, "fonts": fonts });
    site.finish(&manifest)?;
    let size = site.size_of(&wasm)?;
    if size.brotli > WASM_BUDGET_BYTES {
        bail!(
            "the islands weigh {} bytes compressed, over the budget of {WASM_BUDGET_BYTES}: \
             look for a new dependency or a large island in frontend/src/islands",
            size.brotli
        );
    }
    Ok(())
}

fn fonts(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "woff2") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn file_name(path: &Path) -> Result<String> {
    let name = path.file_name().and_then(|name| name.to_str());
    Ok(name
        .with_context(|| format!("{} has no readable name", path.display()))?
        .to_owned())
}

/// Bytes of one file, plain and as sent.
#[derive(Clone, Copy)]
struct Size {
    raw: usize,
    brotli: usize,
    gzip: usize,
}

struct Site {
    root: PathBuf,
    written: BTreeSet<PathBuf>,
    sizes: Vec<(String, Size)>,
}

impl Site {
    fn new(root: PathBuf) -> Self {
        Self {
            root,
            written: BTreeSet::new(),
            sizes: Vec::new(),
        }
    }

    /// Adds `/static/<hash>/<name>`.
    fn add_static(&mut self, name: &str, content: &[u8]) -> Result<String> {
        self.add(format!("/static/{}/{name}", hash(content)), content)
    }

    /// Adds `/pkg/frontend.<hash>.<extension>`.
    fn add_pkg(&mut self, extension: &str, content: &[u8]) -> Result<String> {
        self.add(format!("/pkg/frontend.{}.{extension}", hash(content)), content)
    }

    fn add(&mut self, url: String, content: &[u8]) -> Result<String> {
        let path = self.root.join(url.trim_start_matches('/'));
        let mut size = Size {
            raw: content.len(),
            brotli: content.len(),
            gzip: content.len(),
        };
        self.write_once(path.clone(), || Ok(content.to_vec()))?;
        // woff2 is compressed already
        if path.extension().is_some_and(|extension| extension != "woff2") {
            size.brotli = self.write_once(with_suffix(&path, ".br"), || brotli(content))?;
            size.gzip = self.write_once(with_suffix(&path, ".gz"), || gzip(content))?;
        }
        self.sizes.push((url.clone(), size));
        Ok(url)
    }

    /// Writes a file unless it is there: its name holds the hash of its content.
    /// Returns its length in bytes.
    fn write_once(&mut self, path: PathBuf, content: impl FnOnce() -> Result<Vec<u8>>) -> Result<usize> {
        let length = match std::fs::metadata(&path) {
            Ok(there) => usize::try_from(there.len())?,
            Err(_) => {
                let content = content()?;
                write_whole(&path, &content)?;
                content.len()
            }
        };
        self.written.insert(path);
        Ok(length)
    }

    /// Publishes the manifest, then removes every file it does not lead to.
    fn finish(&self, manifest: &serde_json::Value) -> Result<()> {
        write_whole(&self.root.join("manifest.json"), format!("{manifest:#}\n").as_bytes())?;
        for dir in ["pkg", "static"] {
            self.sweep(&self.root.join(dir))?;
        }
        println!("    {:<48} {:>9} {:>9} {:>9}", "bytes", "raw", "br", "gz");
        for (url, size) in &self.sizes {
            println!("    {url:<48} {:>9} {:>9} {:>9}", size.raw, size.brotli, size.gzip);
        }
        Ok(())
    }

    fn sweep(&self, dir: &Path) -> Result<()> {
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            if path.is_dir() {
                self.sweep(&path)?;
                if std::fs::read_dir(&path)?.next().is_none() {
                    std::fs::remove_dir(&path)?;
                }
            } else if !self.written.contains(&path) {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn size_of(&self, url: &str) -> Result<Size> {
        let found = self.sizes.iter().find(|(added, _)| added == url);
        Ok(found.with_context(|| format!("{url} was not added"))?.1)
    }
}

/// The first 16 hex digits of the SHA-256.
fn hash(content: &[u8]) -> String {
    Sha256::digest(content)[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Writes beside and renames: a reader, or a build after a kill, never sees half a file.
fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let dir = path.parent().context("a file of the site has a folder")?;
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let partial = with_suffix(path, ".partial");
    std::fs::write(&partial, content).with_context(|| format!("cannot write {}", partial.display()))?;
    std::fs::rename(&partial, path).with_context(|| format!("cannot write {}", path.display()))
}

fn brotli(content: &[u8]) -> Result<Vec<u8>> {
    let params = brotli::enc::BrotliEncoderParams {
        quality: 11,
        size_hint: content.len(),
        ..Default::default()
    };
    let mut compressed = Vec::new();
    brotli::BrotliCompress(&mut &content[..], &mut compressed, &params)?;
    Ok(compressed)
}

fn gzip(content: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn names_hold_the_hash_and_stale_files_go() {
        let dir = tempfile::tempdir().unwrap();
        let stale = dir.path().join("static/0000/old.css");
        write_whole(&stale, b"old").unwrap();
        write_whole(&dir.path().join("pkg/frontend.js"), b"old").unwrap();
        let content = b"a{b:c}".repeat(100);
        let mut site = Site::new(dir.path().to_path_buf());
        let url = site.add_static("main.css", &content).unwrap();
        site.finish(&json!({ "css": url })).unwrap();

        assert_eq!(hash(b"abc"), "ba7816bf8f01cfea");
        assert_eq!(url, format!("/static/{}/main.css", hash(&content)));
        assert!(!stale.parent().unwrap().exists());
        assert!(!dir.path().join("pkg/frontend.js").exists());
        let file = dir.path().join(&url[1..]);
        let mut gz = Vec::new();
        flate2::read::GzDecoder::new(&read(&with_suffix(&file, ".gz")).unwrap()[..])
            .read_to_end(&mut gz)
            .unwrap();
        let mut br = Vec::new();
        brotli::BrotliDecompress(&mut &read(&with_suffix(&file, ".br")).unwrap()[..], &mut br).unwrap();
        assert_eq!(
            (read(&file).unwrap(), gz, br),
            (content.clone(), content.clone(), content)
        );
    }
}
