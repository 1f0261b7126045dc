//! Links to the pages before and after, for lists that are paged, not scrolled.

use leptos::prelude::*;
use wire::PageInfo;

/// The links; nothing when there is one page. `of` says what is listed, `to`
/// gives the address of a page.
pub(crate) fn pages(
    label: &'static str,
    of: &'static str,
    info: PageInfo,
    to: impl Fn(u32) -> String,
) -> Option<AnyView> {
    if info.pages < 2 {
        return None;
    }
    let before = (info.page > 1).then(|| to(info.page - 1));
    let after = (info.page < info.pages).then(|| to(info.page + 1));
    Some(
        view! {
            <nav class="pager" aria-label=label>
                {before.map(|href| view! { <a class="btn" href=href>{format!("Previous {of}")}</a> })}
                <span>{format!("Page {} of {}", info.page, info.pages)}</span>
                {after.map(|href| view! { <a class="btn" href=href>{format!("Next {of}")}</a> })}
            </nav>
        }
        .into_any(),
    )
}
