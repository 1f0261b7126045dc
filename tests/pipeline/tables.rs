//! Google's export as a loader took it apart: a table of rows and a table for
//! every list in them.

use crate::folder::Folder;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;
use tonnage_tests::generator::{Kind, Line, google};

/// Rows of the nested export, with credits and labels: one, two or none of each.
fn nested() -> Vec<Value> {
    let line = |day: u32, kind| Line {
        month: 0,
        day,
        account: "a-1",
        service: "Compute Engine",
        kind,
        billed: 1_234_567 + i64::from(day),
        effective: 1_234_567 + i64::from(day),
    };
    let lines: Vec<Line> = (1..9)
        .map(|day| line(day, if day % 2 == 0 { Kind::Usage } else { Kind::Support }))
        .collect();
    let text = google(&lines, 3);
    let rows = text.lines().map(|row| serde_json::from_str(row).expect("a row"));
    let label = |(at, mut row): (usize, Value)| {
        let labels = ["tenant", "env"].iter().take(at % 3);
        let labels = labels.map(|key| json!({"key": key, "value": format!("{key}, \"{at}\"")}));
        row["labels"] = Value::Array(labels.collect());
        row["project"]["labels"] = json!([{"key": "team", "value": format!("team-{at}")}]);
        row
    };
    rows.enumerate().map(label).collect()
}

/// A table: its name and its rows.
type Table = (String, Vec<Map<String, Value>>);

/// What a loader makes of such rows: fields flat, lists in tables of their own.
fn taken_apart(rows: &[Value]) -> Vec<Table> {
    let mut tables: Vec<Table> = ["", "__credits", "__labels", "__project__labels"]
        .map(|list| (format!("export{list}"), Vec::new()))
        .into();
    for (at, row) in rows.iter().enumerate() {
        let id = format!("row-{at}");
        let mut flat = Map::new();
        flatten(row, "", &mut flat);
        for table in &mut tables[1..] {
            let list = table.0["export__".len()..].to_owned();
            let items = flat.remove(&list).unwrap_or_else(|| json!([]));
            for (place, item) in items.as_array().expect("a list").iter().enumerate() {
                let mut child = item.as_object().expect("an object").clone();
                child.insert("_dlt_parent_id".to_owned(), id.clone().into());
                child.insert("_dlt_list_idx".to_owned(), place.into());
                child.insert("_dlt_id".to_owned(), format!("{id}-{list}-{place}").into());
                table.1.push(child);
            }
        }
        flat.insert("_dlt_load_id".to_owned(), "1".into());
        flat.insert("_dlt_id".to_owned(), id.into());
        tables[0].1.push(flat);
    }
    // the order of rows in a table means nothing
    tables[1].1.reverse();
    tables
}

fn flatten(value: &Value, path: &str, into: &mut Map<String, Value>) {
    let Value::Object(fields) = value else {
        into.insert(path.to_owned(), value.clone());
        return;
    };
    for (name, field) in fields {
        let name = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}__{name}")
        };
        flatten(field, &name, into);
    }
}

fn csv_of(rows: &[Map<String, Value>]) -> String {
    let mut names: Vec<&String> = rows.iter().flat_map(Map::keys).collect();
    names.sort();
    names.dedup();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&names).expect("writes");
    for row in rows {
        let cell = |name: &&String| match row.get(*name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        };
        writer.write_record(names.iter().map(cell)).expect("writes");
    }
    String::from_utf8(writer.into_inner().expect("whole")).expect("text")
}

fn json_of(rows: &[Map<String, Value>]) -> String {
    rows.iter().fold(String::new(), |mut text, row| {
        let _ = writeln!(text, "{}", Value::Object(row.clone()));
        text
    })
}

fn write(folder: &Folder, tables: &[Table], text: fn(&[Map<String, Value>]) -> String, ending: &str) -> String {
    let to = folder.path().join("tables");
    let _ = std::fs::remove_dir_all(&to);
    std::fs::create_dir_all(&to).expect("a folder");
    for (name, rows) in tables {
        std::fs::write(to.join(format!("{name}.{ending}")), text(rows)).expect("writes");
    }
    to.to_str().expect("text").to_owned()
}

/// What was taken in: by period, and by what the labels say.
fn figures(folder: &Folder, path: &str) -> (Value, Value) {
    let rules = folder.write(
        "rules.yaml",
        "format: 1\nrules: [{name: t, set: {tenant: {tag: tenant}, environment: {tag: env}, service: {tag: team}}}]\n",
    );
    let _ = folder.run(&["rules", "apply", &rules]).exits(0);
    let taken = folder.run(&["ingest", "billing", path, "--json"]).exits(0).json();
    let delivery = &taken["deliveries"][0];
    assert_eq!(delivery["format"], "gcp detailed");
    let report = folder.run(&["report", "costs", "--by", "tenant,service", "--json"]);
    (delivery["periods"].clone(), report.exits(0).json()["rows"].clone())
}

#[test]
fn tables_taken_apart_are_the_nested_export() {
    let rows = nested();
    let whole = Folder::new();
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    let expected = figures(&whole, &whole.write("export.jsonl", text));
    assert!(expected.1.as_array().expect("rows").len() > 4, "{expected:?}");
    let tables = taken_apart(&rows);
    type Written = fn(&[Map<String, Value>]) -> String;
    for (text, ending) in [(csv_of as Written, "csv"), (json_of, "jsonl")] {
        let folder = Folder::new();
        let path = write(&folder, &tables, text, ending);
        assert_eq!(figures(&folder, &path), expected, "{ending}");
    }
}

#[test]
fn tables_that_are_not_whole_are_refused() {
    let change = |changed: fn(&mut Vec<Table>)| {
        let mut tables = taken_apart(&nested());
        changed(&mut tables);
        tables
    };
    for (what, tables, code, place) in [
        (
            "credits of a row that is not there",
            change(|t| drop(t[0].1.remove(1))),
            "orphan_child",
            "export__credits.csv",
        ),
        (
            "a credit twice",
            change(|t| {
                let row = t[1].1[0].clone();
                t[1].1.push(row);
            }),
            "duplicate_child",
            "export__credits.csv",
        ),
        (
            "a credit is missing",
            change(|t| {
                t[1].1
                    .retain(|row| row["_dlt_parent_id"] != "row-1" || row["_dlt_list_idx"] != 0);
            }),
            "missing_child",
            "export.csv",
        ),
        (
            "no credits",
            change(|t| drop(t.remove(1))),
            "no_credits_table",
            "export.csv",
        ),
        (
            "no rows",
            change(|t| drop(t.remove(0))),
            "no_parent_table",
            "export__credits.csv",
        ),
        (
            "a row twice",
            change(|t| {
                let row = t[0].1[0].clone();
                t[0].1.push(row);
            }),
            "duplicate_parent",
            "export.csv",
        ),
        (
            "a credit of nobody",
            change(|t| drop(t[1].1[0].insert("_dlt_parent_id".into(), "".into()))),
            "bad_child_row",
            "export__credits.csv",
        ),
    ] {
        let folder = Folder::new();
        let path = write(&folder, &tables, csv_of, "csv");
        let refused = folder.run(&["ingest", "billing", &path, "--json"]).exits(2);
        let said = format!("{}{}", refused.out, refused.err);
        assert!(said.contains(code) && said.contains(place), "{what}: {said}");
    }
    // labels are no money: they may be missing, and it is said
    let folder = Folder::new();
    let path = write(&folder, &change(|t| t.truncate(2)), csv_of, "csv");
    let taken = folder.run(&["ingest", "billing", &path, "--json"]).exits(0);
    assert!(taken.out.contains("no_labels_table"), "{}", taken.out);
}
