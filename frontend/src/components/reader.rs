//! Who reads the page, for what leads to other pages: nobody is led to a page
//! that will not open.

use leptos::prelude::*;
use wire::Reader;

/// The reader of this page, kept in context by what shows it.
#[derive(Clone)]
pub(crate) struct ReadBy(pub(crate) Option<Reader>);

/// Whoever is shown this page.
pub(crate) fn reader() -> Option<Reader> {
    use_context::<ReadBy>().and_then(|ReadBy(reader)| reader)
}

/// Whether a page opens for a reader. The server decides; this says the same.
pub(crate) fn opens(reader: &Reader, address: &str) -> bool {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    match path.split('/').nth(1).unwrap_or_default() {
        "clusters" | "commitments" | "reconciliation" | "rules" | "sources" | "deliveries" => reader.may_read_estate,
        "access" => reader.may_see_access,
        "audit" => reader.may_read_audit,
        _ => true,
    }
}

/// Whether a page opens for whoever is shown this one.
pub(crate) fn may_open(address: &str) -> bool {
    reader().is_some_and(|reader| opens(&reader, address))
}

/// A link, or its words alone where it would not open.
pub(crate) fn link(to: String, words: String) -> AnyView {
    if may_open(&to) {
        view! { <a href=to>{words}</a> }.into_any()
    } else {
        view! { <span>{words}</span> }.into_any()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_whole_companys_is_not_for_everybody() {
        let nothing = Reader::default();
        let all = Reader {
            may_read_estate: true,
            may_read_audit: true,
            may_see_access: true,
            ..Reader::default()
        };
        for address in [
            "/",
            "/costs?by=tenant",
            "/explain/1f",
            "/account",
            "/glossary",
            "/costs/converted",
        ] {
            assert!(opens(&nothing, address) && opens(&all, address), "{address}");
        }
        for address in [
            "/rules?version=v3",
            "/reconciliation#invoice",
            "/deliveries/b5",
            "/access",
            "/audit?page=2",
        ] {
            assert!(!opens(&nothing, address) && opens(&all, address), "{address}");
        }
    }
}
