//! What do the words mean? The glossary, from the file the code is held to.

use leptos::prelude::*;

use crate::components::bar::plain_bar;

/// The glossary of the documentation: a table of word, meaning and names.
const SOURCE: &str = include_str!("../../../docs/GLOSSARY.md");

/// The Glossary page.
#[component]
pub(crate) fn Glossary() -> impl IntoView {
    let terms: Vec<_> = entries(SOURCE)
        .map(|(word, meaning)| {
            let id = anchor(word);
            view! { <dt id=id>{word}</dt><dd>{prose(meaning)}</dd> }
        })
        .collect();
    view! {
        {plain_bar("Glossary")}
        <section class="content">
            <p class="lead">"One word has one meaning, on pages, in files and on the command line."</p>
            <dl class="terms">{terms}</dl>
        </section>
    }
}

/// Word and meaning of each row.
fn entries(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let (word, rest) = line.strip_prefix("| **")?.split_once("**")?;
        let meaning = rest.trim_start().strip_prefix('|')?;
        // a cell ends at a bar that is not escaped; meanings hold none
        Some((word, meaning.split(" |").next()?.trim()))
    })
}

/// Text with its `code` marked, and links by their words alone.
fn prose(text: &str) -> Vec<AnyView> {
    text.split('`')
        .enumerate()
        .map(|(at, piece)| match at % 2 {
            0 => plain(piece).into_any(),
            _ => view! { <code>{piece.to_owned()}</code> }.into_any(),
        })
        .collect()
}

/// Without the marks of emphasis and links.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, piece) in text.split("](").enumerate() {
        let after = if at == 0 {
            piece
        } else {
            piece.split_once(')').map_or("", |(_, after)| after)
        };
        out.push_str(after);
    }
    out.replace(['[', '*'], "")
}

/// `Billing period` as `billing-period`.
fn anchor(word: &str) -> String {
    let plain = word.to_lowercase();
    let parts = plain.split(|c: char| !c.is_ascii_alphanumeric());
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_a_meaning_and_an_address_of_its_own() {
        let found: Vec<(&str, &str)> = entries(SOURCE).collect();
        assert_eq!(
            found.len(),
            SOURCE.lines().filter(|line| line.starts_with("| **")).count()
        );
        assert!(found.len() > 40 && found.iter().all(|(_, meaning)| !meaning.is_empty()));
        let anchors: std::collections::BTreeSet<String> = found.iter().map(|(word, _)| anchor(word)).collect();
        assert_eq!(anchors.len(), found.len());
    }

    #[test]
    fn marks_are_not_shown() {
        for (text, shown) in [
            ("*open* (may change), *final*", "open (may change), final"),
            ("see [list](RULES.md#classes).", "see list."),
            ("[a](b) and [c](d)", "a and c"),
            ("no marks", "no marks"),
        ] {
            assert_eq!(plain(text), shown);
        }
        assert_eq!(anchor("Account, billing account"), "account-billing-account");
    }
}
