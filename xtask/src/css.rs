//! One stylesheet out of several: `@import`s in the order listed, comments and
//! superfluous white space removed, names of assets replaced by their URLs.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// Bundles `entry` with all it imports. `assets` maps a file name (`inter-latin.woff2`)
/// to the URL path it is served under.
///
/// # Errors
/// When a file is missing, imported twice, or names an asset that is not there.
pub fn bundle(entry: &Path, assets: &BTreeMap<String, String>) -> Result<String> {
    let mut seen = Vec::new();
    let joined = inline_imports(entry, &mut seen)?;
    resolve_urls(&minify(&joined), assets)
}

fn inline_imports(file: &Path, seen: &mut Vec<std::path::PathBuf>) -> Result<String> {
    if seen.iter().any(|earlier| earlier == file) {
        bail!("{} is imported twice", file.display());
    }
    seen.push(file.to_path_buf());
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut out = String::with_capacity(text.len());
    for line in strip_comments(&text).lines() {
        let Some(rest) = line.trim().strip_prefix("@import") else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        let import =
            parse_import(rest).with_context(|| format!("{}: cannot read `{}`", file.display(), line.trim()))?;
        let imported = inline_imports(&file.with_file_name(import.name), seen)?;
        match import.layer {
            Some(layer) => out.push_str(&format!("@layer {layer}{{{imported}}}\n")),
            None => out.push_str(&imported),
        }
    }
    Ok(out)
}

#[derive(Debug, PartialEq, Eq)]
struct Import<'a> {
    name: &'a str,
    layer: Option<&'a str>,
}

/// Reads what follows `@import`: `"file.css";`, `url("file.css") layer(name);`.
fn parse_import(rest: &str) -> Result<Import<'_>> {
    let rest = rest.trim().strip_suffix(';').context("it must end its line with `;`")?;
    let (name, after) = match rest.strip_prefix("url(") {
        Some(inner) => inner.split_once(')').context("`url(` is not closed")?,
        None => rest
            .rsplit_once(rest.chars().next().unwrap_or('"'))
            .context("no file name")?,
    };
    let name = name.trim_matches(['"', '\'', ' ']).trim_start_matches("./");
    if name.is_empty() || name.contains("//") {
        bail!("only files beside it can be imported");
    }
    let layer = match after.trim() {
        "" => None,
        other => Some(
            other
                .strip_prefix("layer(")
                .and_then(|inner| inner.strip_suffix(')'))
                .context("only `layer(name)` may follow the file name")?,
        ),
    };
    Ok(Import { name, layer })
}

/// Removes `/* ... */`, but not inside strings.
fn strip_comments(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some(at) = rest.find(['/', '"', '\'']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment.find("*/").map_or("", |end| &comment[end + 2..]);
            // a comment separates words
            out.push(' ');
        } else if rest.starts_with('/') {
            out.push('/');
            rest = &rest[1..];
        } else {
            let end = string_end(rest);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
    out
}

/// The length of the string that `css` starts with, quotes included.
fn string_end(css: &str) -> usize {
    let mut chars = css.char_indices();
    let quote = chars.next().map(|(_, c)| c);
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if Some(c) == quote {
            return at + 1;
        }
    }
    css.len()
}

/// White space becomes one space, and none beside `{ } ; ,`, after `:` of a
/// declaration, and at the ends. Spaces that mean something stay: between words,
/// around `+` in `calc()`, before `:hover`.
fn minify(css: &str) -> String {
    let css = strip_comments(css);
    let mut out = String::with_capacity(css.len());
    let mut rest = css.trim();
    while let Some(c) = rest.chars().next() {
        if c == '"' || c == '\'' {
            let end = string_end(rest);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
        } else if c.is_whitespace() {
            rest = rest.trim_start();
            let before = out.chars().next_back().unwrap_or('{');
            let after = rest.chars().next().unwrap_or('}');
            if !"{};,:".contains(before) && !"{};,".contains(after) {
                out.push(' ');
            }
        } else {
            if c == '}' && out.ends_with(';') {
                out.pop();
            }
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

/// Replaces `url(...)` of files by their hashed URL; `data:` and `#fragment` stay.
fn resolve_urls(css: &str, assets: &BTreeMap<String, String>) -> Result<String> {
    let mut out = String::with_capacity(css.len());
    let mut rest = css;
    while let Some(at) = rest.find("url(") {
        let (before, from) = rest.split_at(at + "url(".len());
        out.push_str(before);
        let quoted = from.starts_with(['"', '\'']);
        let end = if quoted {
            string_end(from)
        } else {
            from.find(')').unwrap_or(from.len())
        };
        let name = from[..end].trim_matches(['"', '\'', ' ']);
        if name.starts_with("data:") || name.starts_with('#') {
            out.push_str(&from[..end]);
        } else {
            let file = name.rsplit('/').next().unwrap_or(name);
            let url = assets
                .get(file)
                .with_context(|| format!("the stylesheet names `{name}`, which is not in assets"))?;
            out.push_str(&format!("\"{url}\""));
        }
        rest = &from[end..];
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_goes_where_it_means_nothing() {
        for (css, expected) in [
            ("a {\n  color: red;\n}\n", "a{color:red}"),
            ("/* x */ a , b > c { margin : 0 auto }", "a,b > c{margin :0 auto}"),
            ("a :hover{width:calc(1px + 2px)}", "a :hover{width:calc(1px + 2px)}"),
            (
                "a::after { content: \"  /* no */ ; \"; }",
                "a::after{content:\"  /* no */ ; \"}",
            ),
            ("a/**/b{}", "a b{}"),
            (
                "@media (min-width: 1px) and (print) {a{b:c}}",
                "@media (min-width:1px) and (print){a{b:c}}",
            ),
            ("a{b:'\\'}  '}", "a{b:'\\'}  '}"),
            ("/* never closed", ""),
        ] {
            assert_eq!(minify(css), expected, "{css}");
        }
    }

    #[test]
    fn imports_are_read() {
        let import = |name, layer| Import { name, layer };
        assert_eq!(parse_import(" \"a.css\";").unwrap(), import("a.css", None));
        assert_eq!(parse_import(" './a.css' ;").unwrap(), import("a.css", None));
        assert_eq!(
            parse_import(" url(\"a.css\") layer(base);").unwrap(),
            import("a.css", Some("base"))
        );
        for bad in [
            " \"a.css\"",
            " \"\";",
            " \"https://example.com/a.css\";",
            " \"a.css\" print;",
        ] {
            assert!(parse_import(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn files_are_joined_in_order_and_assets_named() {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("main.css", "@import \"b.css\";\n@import \"a.css\";\ni{j:k}"),
            ("a.css", "a{src:url('../fonts/x.woff2') format(\"woff2\")}"),
            ("b.css", "/* @import \"none.css\"; */b{c:url(data:x)}"),
        ] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let entry = dir.path().join("main.css");
        let assets = BTreeMap::from([("x.woff2".to_owned(), "/static/1/x.woff2".to_owned())]);
        assert_eq!(
            bundle(&entry, &assets).unwrap(),
            "b{c:url(data:x)}a{src:url(\"/static/1/x.woff2\") format(\"woff2\")}i{j:k}"
        );
        assert!(
            bundle(&entry, &BTreeMap::new())
                .unwrap_err()
                .to_string()
                .contains("x.woff2")
        );
    }
}
