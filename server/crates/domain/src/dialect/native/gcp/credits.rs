//! Amounts of a `credits` list, whoever wrote it: JSON, or a Python list that
//! was written as text. Read token by token, so that amounts keep the digits
//! they are written with.

/// The amounts of a list of credits, as they are written; `None` when the text
/// is no list of credits.
pub(super) fn amounts(text: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(text).ok()?.trim();
    if !(text.starts_with('[') && text.ends_with(']')) {
        return None;
    }
    let mut amounts = Vec::new();
    let mut rest = text;
    let mut key_is_amount = false;
    while let Some(first) = rest.chars().next() {
        match first {
            '"' | '\'' => {
                let (token, after) = quoted(rest, first)?;
                let after = after.trim_start();
                if after.starts_with(':') {
                    key_is_amount = token == "amount";
                } else if std::mem::take(&mut key_is_amount) {
                    amounts.push(token.to_owned());
                }
                rest = after;
            }
            '[' | ']' | '{' | '}' | ',' | ':' => rest = &rest[1..],
            space if space.is_whitespace() => rest = rest.trim_start(),
            _ => {
                let end = rest.find([',', '}', ']']).unwrap_or(rest.len());
                let word = rest[..end].trim();
                if std::mem::take(&mut key_is_amount) && !matches!(word, "null" | "None") {
                    amounts.push(word.to_owned());
                }
                rest = &rest[end..];
            }
        }
    }
    Some(amounts)
}

/// A quoted token at the beginning of a text, and what follows.
fn quoted(text: &str, quote: char) -> Option<(&str, &str)> {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return Some((&text[1..at], &text[at + 1..])),
            _ => {}
        }
    }
    None
}
