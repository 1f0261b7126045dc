//! Every page, rendered as the server renders it: complete without scripts,
//! fit for a strict content security policy, and with its parts in place.

mod fixture;
#[path = "pages/people.rs"]
mod people;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use axum::body::{Body, to_bytes};
use axum::http::Request;
use fixture::{Drawn, Fixture, access};
use frontend::app::App;
use frontend::backend::Backend;
use frontend::shell::{SiteAssets, StatusSink, Theme, shell};
use leptos::prelude::provide_context;
use wire::{Chart, ChartPoint, ChartTable, PageError, Site};

const PAGES: [&str; 15] = [
    "/",
    "/costs?by=tenant,service&f=environment:production&f=tenant:",
    "/costs/converted?by=tenant,service&to=EUR",
    "/clusters?period=2026-11",
    "/reconciliation",
    "/explain/9f86d081884c0",
    "/rules?version=v3",
    "/commitments",
    "/sources",
    "/deliveries/b5bb9d80",
    "/glossary",
    "/access",
    "/account",
    "/audit?action=invoice.&page=2",
    "/sign-in?next=%2Fcosts%3Fby%3Dtenant",
];

fn chart(id: &str) -> Option<Chart> {
    let point = |label: &str, x| ChartPoint {
        label: label.into(),
        values: vec![Some("12.5".into()), None],
        x,
        ys: vec![Some(10), None],
    };
    Some(Chart {
        id: id.into(),
        title: format!("Finding of {id}"),
        summary: "What is drawn, USD.".into(),
        svg: format!(
            "<svg class=\"chart\" viewBox=\"0 0 10 10\" role=\"img\" aria-labelledby=\"{id}-title {id}-summary\"></svg>"
        ),
        table: ChartTable {
            label_head: "Day".into(),
            heads: vec!["November".into(), "October".into()],
            points: vec![point("1", 1), point("2", 5)],
        },
    })
}

fn fixture(error: Option<PageError>) -> Fixture {
    let drawn = Drawn {
        sparkline: |_| "<svg class=\"spark\"></svg>".to_owned(),
        month_to_date: || chart("mtd"),
        causes: || chart("causes"),
        months: || chart("months"),
    };
    let site = Site {
        company: Some("Northquay Logistics".into()),
        synthetic: true,
        version: "0.1.0".into(),
        reader: Some(access::reader()),
    };
    Fixture {
        drawn,
        site,
        error,
        answer: None,
        sign_in: access::sign_in(),
        may_manage: true,
    }
}

struct Page {
    status: u16,
    html: String,
}

impl Page {
    fn has(&self, piece: &str) {
        assert!(self.html.contains(piece), "no {piece} in {}", self.html);
    }

    fn count(&self, piece: &str) -> usize {
        self.html.matches(piece).count()
    }

    /// Values of an attribute in document order, entities resolved.
    fn values(&self, attribute: &str) -> Vec<String> {
        let start = format!(" {attribute}=\"");
        let pieces = self.html.split(&start).skip(1);
        pieces
            .filter_map(|piece| Some(piece.split_once('"')?.0.replace("&amp;", "&")))
            .collect()
    }
}

async fn page(path: &str, fixture: Fixture, theme: Theme) -> Page {
    // as the server does first: it also starts the executor
    assert_eq!(leptos_axum::generate_route_list(App).len(), PAGES.len());
    let backend: Arc<dyn Backend> = Arc::new(fixture);
    let status = Arc::new(AtomicU16::new(200));
    let seen = Arc::clone(&status);
    let provide = move || {
        let seen = Arc::clone(&seen);
        provide_context(Arc::clone(&backend));
        provide_context(theme);
        provide_context(StatusSink(Arc::new(move |code| seen.store(code, Ordering::SeqCst))));
        provide_context(SiteAssets {
            css: "/static/1/main.css".into(),
            js: "/pkg/frontend.1.js".into(),
            wasm: "/pkg/frontend.1.wasm".into(),
            favicon: "/static/1/favicon.svg".into(),
            font: "/static/1/inter-latin.woff2".into(),
        });
    };
    let handler = leptos_axum::render_app_async_with_context(provide, shell);
    let request = Request::builder()
        .uri(path)
        .body(Body::empty())
        .expect("a plain request");
    let body = handler(request).await.into_body();
    let bytes = to_bytes(body, usize::MAX).await.expect("a whole body");
    let html = String::from_utf8(bytes.to_vec()).expect("UTF-8");
    Page {
        status: status.load(Ordering::SeqCst),
        html,
    }
}

async fn plain(path: &str) -> Page {
    page(path, fixture(None), Theme::System).await
}

#[tokio::test]
async fn every_page_is_whole_and_fits_the_policy() {
    for path in PAGES {
        let page = plain(path).await;
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.count("<h1>"), 1, "{path}");
        assert_eq!(page.count("<main"), 1, "{path}");
        assert_eq!(page.count("<title>"), 1, "{path}");
        page.has("<html lang=\"en\"");
        page.has(" - Tonnage</title>");
        page.has("Synthetic demo company");
        for banned in [" style=", "<style", " onclick=", " onchange=", "javascript:"] {
            assert_eq!(page.count(banned), 0, "{banned} on {path}");
        }
        for script in page.html.split("<script").skip(1) {
            let tag = script.split('>').next().unwrap_or_default();
            assert!(tag.contains(" nonce=\""), "a script without a nonce on {path}: {tag}");
        }
        assert_eq!(page.count("<script type=\"module\""), 1, "{path}");
        assert_eq!(page.count("<table"), page.count("<tbody>"), "{path}");
        assert_eq!(page.count("<table"), page.count("<thead>"), "{path}");
    }
}

#[tokio::test]
async fn ids_are_unique_and_references_lead_somewhere() {
    for path in PAGES {
        let page = plain(path).await;
        let ids = page.values("id");
        for (at, id) in ids.iter().enumerate() {
            assert!(!ids[..at].contains(id), "{id} twice on {path}");
        }
        for attribute in [
            "aria-labelledby",
            "aria-describedby",
            "for",
            "form",
            "list",
            "popovertarget",
        ] {
            for target in page.values(attribute).iter().flat_map(|ids| ids.split(' ')) {
                assert!(ids.iter().any(|id| id == target), "{attribute}={target} on {path}");
            }
        }
    }
}

#[tokio::test]
async fn costs_keeps_its_state_in_every_link_and_form() {
    let page = plain("/costs?period=2026-11&by=tenant,service&f=environment:production&sort=name&dir=asc").await;
    let links = page.values("href");
    let state = "f=environment:production&sort=name&dir=asc";
    for path in ["/costs.csv?", "/costs.xlsx?"] {
        assert!(
            links
                .iter()
                .any(|link| link.starts_with(path) && link.contains("by=tenant,service") && link.ends_with(state))
        );
    }
    assert!(
        links
            .iter()
            .any(|link| link.starts_with("/costs?period=2026-10&by=tenant,service")),
        "earlier period"
    );
    assert!(
        !links.iter().any(|link| link.starts_with("/costs?period=2026-12")),
        "no later period"
    );
    let without = "/costs?period=2026-11&by=tenant,service&currency=USD&against=2026-10&sort=name&dir=asc";
    assert!(
        links.iter().any(|link| link == without),
        "the chip removes its filter: {links:?}"
    );
    page.has("name=\"f\" value=\"environment:production\"");
    page.has("aria-sort=\"ascending\"");
    page.has("42 rows, total 288,640.17 USD");
    page.has(">Other (32)<");
    page.has(">Unallocated cost<");
    page.has("61,894.640000000000000001");
    page.has("\u{2212}1,240.00");
}

#[tokio::test]
async fn explain_walks_down_to_node_hours_without_scripts() {
    let id = "/explain/9f86d081884c0";
    let (thing, day) = ("?at=node/core/ip-10-0-1-7", "&day=2026-11-03");
    let at = |query: &str| format!("{id}{}", query.replace("/core/", "%2Fcore%2F"));
    for (query, below, words) in [
        (
            "".to_owned(),
            Some(thing.to_owned()),
            &["Node of core", ">Other (7)<", "does not go by requests"][..],
        ),
        (
            thing.to_owned(),
            Some(format!("{thing}{day}")),
            &["Days of ip-10-0-1-7", "1.00 of 4.00 core-h (25.0\u{a0}%)"],
        ),
        (
            format!("{thing}{day}"),
            None,
            &[
                "Machine, 2026-11-03 05:00 UTC to 2026-11-03 06:00 UTC",
                "2026-11-focus.csv.gz",
                "2 more: ",
            ],
        ),
    ] {
        let page = plain(&at(&query)).await;
        let links = page.values("href");
        if let Some(below) = below {
            let known = |link: &String| link.replace("%2F", "/") == format!("{id}{below}");
            assert!(links.iter().any(known), "{below} in {links:?}");
        }
        for words in words {
            page.has(words);
        }
        // the pages of bill lines stay at the level
        let next = links.iter().find(|link| link.contains("page=2")).expect("a next page");
        assert_eq!(next.contains("at="), !query.is_empty(), "{next}");
    }
}

#[tokio::test]
async fn clusters_lead_to_their_costs_and_say_what_is_not_known() {
    let page = plain("/clusters").await;
    page.has("The nodes of 3 clusters cost 1,000 USD so far: 70.0\u{a0}% for workloads, 30.1\u{a0}% idle capacity.");
    let base = "/costs?period=2026-11&by=Namespace,Workload&currency=USD";
    let links = page.values("href");
    for filters in [
        "&f=Cluster:6f1e-core",
        "&f=Cluster:6f1e-core&f=class:node_compute",
        "&f=Cluster:6f1e-core&f=class:node_disk",
        "&f=Cluster:6f1e-core&f=AllocationPart:idle_capacity&f=class:node_compute",
        "&f=class:node_compute&f=Cluster:",
        "&f=Cluster:6f1e-core&f=NodePool:general&f=class:node_compute",
        "&f=Cluster:6f1e-core&f=NodePool:general&f=AllocationPart:idle_capacity&f=class:node_compute",
        "&f=Cluster:%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E%26f%3Dclass%3Atax",
    ] {
        let to = format!("{base}{filters}");
        assert!(links.contains(&to), "{to} in {links:?}");
    }
    for words in [
        "1,000.000000000000000000000001",
        "Facts through 2026-11-22 10:00 UTC · 21 days with facts · 5.0\u{a0}% of node time unobserved (12.50\u{a0}h of 250.00\u{a0}h)",
        "all node time observed",
        "of node cost have no usage facts",
        "No line of the bill in USD pays for these nodes",
        "No usage facts in November 2026: its cost is of charges that began earlier",
        "11,520.0",
        "8,960.0",
        "50.0\u{a0}%",
        "744.0",
        "Estimated beside the node cost: ",
        "Node cost to date",
        "(no node pool)",
        "no facts",
        "not billed",
        "Node hours no line".to_lowercase().as_str(),
    ] {
        page.has(words);
    }
    assert_eq!(page.count("said by the page in its own words"), 0);
    assert_eq!(page.count("GPU-h"), 1, "a pool without GPU has no row of zeros");
    assert_eq!(page.count("<img"), 0);
    let empty = plain("/clusters?period=2025-10").await;
    empty.has("tonnage ingest usage");
    empty.has("docs/FORMATS.md");
    empty.has("77.13");
}

#[tokio::test]
async fn commitments_say_what_is_known_and_what_is_not() {
    let page = plain("/commitments").await;
    for part in [
        "2 commitments; 1 not fully used. One ends within 30 days.",
        "Savings Plan · AWS · 4711 · 1yr",
        "1 of 2 hours not full, the worst at 75.0",
        "in 28 days",
        "1 row without a list price, in neither",
        "End unknown",
    ] {
        page.has(part);
    }
    assert!(page.count(">unknown<") >= 2, "utilisation and end of the second");
    let empty = plain("/commitments?period=2025-10").await;
    empty.has("No commitment is in the bill of");
}

#[tokio::test]
async fn a_delivery_says_what_it_changed() {
    let page = plain("/deliveries/b5bb9d80").await;
    for part in [
        "Effective cost changed by +1.01 USD in Nov 2026.",
        "100 → 90",
        "The 2 largest of 348 changes",
        "Usage · only tags",
        "(none)",
        "2026-11.csv.gz",
    ] {
        page.has(part);
    }
}

#[tokio::test]
async fn sources_say_how_far_usage_and_drivers_reach() {
    let page = plain("/sources").await;
    for words in [
        "2026-11-03: 12.50\u{a0}h; 2026-11-05: no facts",
        ">2 days<",
        "12.50\u{a0}h (5.0\u{a0}%)",
        ">late<",
        ">fresh<",
        "1,204,221",
        "2 hours were there with other values",
        // drivers
        "scans, boxes",
        "2026-11-09",
        "2026-11-03; 2026-11-05",
    ] {
        page.has(words);
    }
    assert_eq!(page.count("<img"), 0);
}

#[tokio::test]
async fn a_theme_is_rendered_by_the_server() {
    let dark = page("/", fixture(None), Theme::Dark).await;
    dark.has("data-theme=\"dark\"");
    dark.has("content=\"dark\"");
    let system = plain("/").await;
    assert_eq!(system.count("data-theme="), 0);
    system.has("action=\"/theme\"");
    assert_eq!(Theme::from_key("sepia"), Theme::System);
}

#[tokio::test]
async fn what_fails_says_so_with_its_status() {
    let unavailable = PageError::Unavailable {
        request_id: "r-17".into(),
    };
    let table = [
        ("/costs?page=0", None, 400, "pages count from 1"),
        ("/nowhere", None, 404, "the page /nowhere"),
        ("/sources", Some(unavailable), 503, "r-17"),
        ("/", Some(PageError::NoData), 200, "tonnage ingest billing PATH"),
        (
            "/rules",
            Some(PageError::Forbidden {
                what: "change rules".into(),
                who: vec!["Ada Quist".into(), "Bo Lind".into()],
            }),
            403,
            "Ask Ada Quist or Bo Lind to grant it",
        ),
        (
            "/audit",
            Some(PageError::Forbidden {
                what: "read the audit log".into(),
                who: vec![],
            }),
            403,
            "You may not read the audit log",
        ),
        ("/audit?from=yesterday", None, 400, "write a day as YYYY-MM-DD"),
    ];
    for (path, error, status, words) in table {
        let page = page(path, fixture(error), Theme::System).await;
        assert_eq!(page.status, status, "{path}");
        page.has(words);
        assert_eq!(page.count("<h1>"), 1, "{path}");
        page.has("Synthetic demo company");
    }
}

#[tokio::test]
async fn hostile_names_stay_text() {
    let mut hostile = fixture(None);
    hostile.site.company = Some("<script>alert(1)</script>".into());
    let page = page("/costs?f=tenant:%22%3E%3Cimg%20src%3Dx%3E", hostile, Theme::System).await;
    assert_eq!(page.count("<script>alert"), 0);
    assert_eq!(page.count("<img"), 0);
}
