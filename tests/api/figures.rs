//! One set of numbers: page, JSON and CSV say the same, digit for digit.

use crate::site::{NOVEMBER, Site, config};
use domain::Money;
use serde_json::Value;

/// The exact amount of the page's total: the title of the last money cell of
/// the table's foot that has one.
fn exact_amounts(html: &str) -> Vec<String> {
    let foot = html
        .split("<tfoot>")
        .nth(1)
        .and_then(|rest| rest.split("</tfoot>").next())
        .expect("a table foot");
    foot.split("title=\"")
        .skip(1)
        .filter_map(|piece| Some(piece.split('"').next()?.to_owned()))
        .collect()
}

fn rows(csv: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(csv.as_bytes());
    reader
        .records()
        .map(|row| row.expect("RFC 4180").iter().map(str::to_owned).collect())
        .collect()
}

#[tokio::test]
async fn page_json_and_csv_have_one_total() {
    let site = Site::with_bill().await;
    for query in [
        "period=2026-11&by=tenant",
        "period=2026-11&by=ServiceName,tenant&sort=name&dir=asc",
        "basis=billed",
    ] {
        let json = site.get(&format!("/api/v1/costs?{query}")).await.json();
        assert_eq!(json["total"], NOVEMBER, "{query}");
        assert_eq!(json["reconciliation"]["residual"], "0", "{query}");
        let csv = site.get(&format!("/costs.csv?{query}")).await;
        let lines = rows(csv.text());
        let levels = json["by"].as_array().expect("keys").len();
        let total = lines.last().expect("a total");
        assert_eq!(
            (total[0].as_str(), total[levels + 1].as_str()),
            ("total", NOVEMBER),
            "{query}"
        );
        let costs: Vec<&str> = lines[1..lines.len() - 1]
            .iter()
            .map(|line| line[levels + 1].as_str())
            .collect();
        let in_json: Vec<&str> = json["rows"]
            .as_array()
            .expect("rows")
            .iter()
            .map(|row| row["cost"].as_str().expect("money"))
            .collect();
        assert_eq!(costs, in_json, "{query}: same rows in the same order");
        let ids = |lines: &[Vec<String>]| -> Vec<String> {
            lines
                .iter()
                .map(|line| line.last().expect("an explain id").clone())
                .collect()
        };
        let known: Vec<String> = json["rows"]
            .as_array()
            .expect("rows")
            .iter()
            .map(|row| row["explain_id"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(ids(&lines[1..lines.len() - 1]), known, "{query}");
        let page = site.get(&format!("/costs?{query}")).await;
        let exact = exact_amounts(page.text());
        assert!(exact.iter().any(|title| title.contains(NOVEMBER)), "{query}: {exact:?}");
    }
}

#[tokio::test]
async fn a_csv_says_what_it_is_and_runs_nothing() {
    let site = Site::with_bill().await;
    let csv = site
        .get("/costs.csv?period=2026-11&by=tenant,ServiceName&against=2026-10")
        .await;
    assert_eq!(csv.status, 200);
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(
        csv.header("content-disposition"),
        "attachment; filename=\"tonnage-costs-2026-11-tenant-ServiceName.csv\""
    );
    let lines = rows(csv.text());
    // November is not complete: it is compared with as many days of October
    let prior = lines[0][4].as_str();
    assert_eq!(lines[0][3], "Cost (USD, effective)");
    assert!(
        prior.starts_with("Cost 2026-10 days 1-") && prior.ends_with(" (USD, effective)"),
        "{prior}"
    );
    let guarded = lines
        .iter()
        .find(|line| line[1].contains("cmd()"))
        .expect("the tenant with the hostile name");
    assert_eq!(guarded[1], "'=cmd()");
    assert!(
        lines
            .iter()
            .any(|line| line[1] == "Unallocated cost" && line[3] == "7.125"),
        "{lines:?}"
    );
    assert!(csv.text().contains("-20.000000000000000000000003") || csv.text().contains("100.249999999999999999999997"));
}

#[tokio::test]
async fn filters_cut_every_face_alike() {
    let site = Site::with_bill().await;
    let query = "period=2026-11&by=ServiceName&f=tenant:acme";
    let json = site.get(&format!("/api/v1/costs?{query}")).await.json();
    assert_eq!(json["total"], "100.249999999999999999999997");
    let csv = site.get(&format!("/costs.csv?{query}")).await;
    let lines = rows(csv.text());
    assert_eq!(lines.last().expect("a total")[2], "100.249999999999999999999997");
    assert_eq!(lines.len(), 4, "head, two services, total: {lines:?}");
}

#[tokio::test]
async fn a_workbook_is_a_zip_with_the_exact_total_in_it() {
    let site = Site::with_bill().await;
    let book = site.get("/costs.xlsx?period=2026-11&by=tenant").await;
    assert_eq!(book.status, 200);
    assert_eq!(
        book.header("content-disposition"),
        "attachment; filename=\"tonnage-costs-2026-11-tenant.xlsx\""
    );
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&book.body)).expect("a zip file");
    let mut text = String::new();
    for name in ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml"] {
        if let Ok(mut file) = archive.by_name(name) {
            std::io::Read::read_to_string(&mut file, &mut text).expect("UTF-8");
        }
    }
    assert!(text.contains(NOVEMBER), "the exact total as text");
    assert!(text.contains("<v>107.38</v>"), "the rounded total as a number");
    assert!(text.contains("state=\"frozen\""), "the header stays in sight");
}

#[tokio::test]
async fn a_figure_leads_to_its_bill_lines() {
    let site = Site::with_bill().await;
    let json = site.get("/api/v1/costs?period=2026-11&by=tenant").await.json();
    let rows = json["rows"].as_array().expect("rows");
    let acme = rows
        .iter()
        .find(|row| row["keys"]["tenant"] == "acme")
        .expect("a tenant");
    let id = acme["explain_id"].as_str().expect("an id");
    let explained = site.get(&format!("/api/v1/explain/{id}")).await.json();
    assert_eq!(
        (&explained["cost"], &explained["residual"]),
        (&acme["cost"], &serde_json::json!("0"))
    );
    assert_eq!(explained["lines_total"], 2);
    let page = site.get(&format!("/explain/{id}")).await;
    assert_eq!(page.status, 200);
    for (query, status) in [("?page=1", 200), ("?page=9", 200), ("?page=0", 400), ("?page=x", 400)] {
        assert_eq!(
            site.get(&format!("/explain/{id}{query}")).await.status,
            status,
            "{query}"
        );
        let answer = site.get(&format!("/api/v1/explain/{id}{query}")).await;
        assert_eq!(answer.status, status, "{query}");
        if status == 200 {
            assert_eq!(
                answer.json()["page"],
                serde_json::json!({"page": 1, "pages": 1, "rows": 2})
            );
            assert_eq!(
                answer.json()["lines"],
                explained["lines"],
                "a page beyond the last is the last"
            );
        }
    }
    let reconciled = site.get("/api/v1/reconciliation?period=2026-11").await.json();
    assert_eq!(reconciled["currencies"][0]["effective"], NOVEMBER);
    assert_eq!(reconciled["currencies"][0]["residual"], "0");
    assert_eq!(
        site.get("/api/v1/periods").await.json()["periods"],
        serde_json::json!(["2026-10", "2026-11"])
    );
}

#[tokio::test]
async fn costs_in_one_currency_are_one_figure_everywhere() {
    let site = Site::with_bill().await;
    let empty = site.get("/costs/converted?period=2026-11").await;
    assert!(
        empty.text().contains("There are no exchange rates yet"),
        "{}",
        empty.text()
    );
    let app = tonnage::app::App::open(&config(site.dir()), domain::access::Scope::shell("test"))
        .await
        .expect("the same data");
    let rates = "date,base,quote,rate\n2026-11-02,EUR,USD,1.25\n";
    app.rates_import("rates.csv", rates).await.expect("rates");
    let query = "period=2026-11&by=tenant&to=EUR";
    let json = site.get(&format!("/api/v1/costs/converted?{query}")).await.json();
    let units = |value: &Value| Money::parse(value.as_str().expect("money")).expect("money");
    let total = units(&json["costs"]["total"]);
    let bill = Money::parse(NOVEMBER).expect("money");
    // four fifths; each charge is rounded once, at the 24th digit
    let charges = json["costs"]["rows"].as_array().map_or(0, Vec::len) as i128 * 100;
    assert!(
        (total.units() * 5 - bill.units() * 4).abs() <= charges,
        "{total} of {bill}"
    );
    let rows = json["costs"]["rows"].as_array().expect("rows").iter();
    assert_eq!(Money::sum(rows.map(|row| units(&row["cost"]))).expect("a sum"), total);
    let csv = site.get(&format!("/costs/converted.csv?{query}")).await;
    let lines = self::rows(csv.text());
    let last = lines.last().expect("a total");
    assert_eq!(
        (last[2].as_str(), last[3].as_str()),
        (total.to_string().as_str(), NOVEMBER)
    );
    let page = site.get(&format!("/costs/converted?{query}")).await;
    assert!(page.text().contains(&format!("title=\"{total}\"")), "{}", page.text());
    for (wrong, status) in [("to=Euro", 400), ("rate=spot", 400), ("to=JPY", 400)] {
        let answer = site
            .get(&format!("/api/v1/costs/converted?period=2026-11&{wrong}"))
            .await;
        assert_eq!(answer.status, status, "{wrong}: {}", answer.text());
    }
}
