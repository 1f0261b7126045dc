//! Exports of Google Cloud that a loader (dlt) took apart: a parent table whose
//! nested fields are columns (`service__id`), and a child table for every list
//! (`..__credits`, `..__labels`), whose rows name their parent and their place
//! in the list. Put together again they are the rows of the nested export, and
//! are read as those.
//!
//! Credits are money: a parent without its table of credits is refused, as are
//! rows that have no parent, or a place in a list that another row has. The
//! rows of child tables are kept in memory; those of the parent are not.

use crate::SourceError;
use crate::locate::Located;
use crate::sight::Sighted;
use domain::Finding;
use domain::dialect::Container;
use flate2::bufread::MultiGzDecoder;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};

const ID: &str = "_dlt_id";
const PARENT: &str = "_dlt_parent_id";
const INDEX: &str = "_dlt_list_idx";
/// Between the name of a table or field and what is nested in it.
const NESTED: &str = "__";
const CREDITS: &str = "credits";

/// What a table is by its columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Parent,
    Child,
}

/// A row of a child table, and where it stands.
struct Child {
    fields: Map<String, Value>,
    file: String,
    line: u64,
}

/// The rows of a list by their place in it.
type List = BTreeMap<u64, Child>;

/// The tables of a delivery, put together.
pub struct Tables {
    /// Lists by id of the parent and name of the list.
    lists: HashMap<String, BTreeMap<String, List>>,
    /// Parents seen so far.
    parents: HashSet<String>,
}

/// Tables that a loader took apart, found among the files of a call.
pub struct Found {
    /// Positions of parent tables' files.
    pub parents: Vec<usize>,
    /// Positions of child tables' files: they are no bills of their own.
    pub children: Vec<usize>,
    /// What of them is remarkable.
    pub findings: Vec<Finding>,
    /// Their child tables.
    pub tables: Tables,
}

/// Looks for such tables among some files; `None` = there are none.
///
/// # Errors
/// Findings: a child table without a parent, a parent without its credits, a
/// row without a parent's id or place, a place that two rows have.
pub fn find(files: &[Sighted]) -> Result<Option<Found>, SourceError> {
    let mut found = Found {
        parents: Vec::new(),
        children: Vec::new(),
        findings: Vec::new(),
        tables: Tables {
            lists: HashMap::new(),
            parents: HashSet::new(),
        },
    };
    for (at, file) in files.iter().enumerate() {
        match kind(file)? {
            Some(Kind::Parent) => found.parents.push(at),
            Some(Kind::Child) => found.children.push(at),
            None => {}
        }
    }
    if found.parents.is_empty() && found.children.is_empty() {
        return Ok(None);
    }
    let mut lists_of: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for at in &found.parents {
        let _ = lists_of.entry(stem(&files[*at].located.name)).or_default();
    }
    for at in &found.children {
        let name = &files[*at].located.name;
        let parent = lists_of.iter_mut().filter_map(|(parent, lists)| {
            let list = stem(name).strip_prefix(parent)?.strip_prefix(NESTED)?;
            Some((parent.len(), list, lists))
        });
        let Some((_, list, lists)) = parent.max_by_key(|(length, _, _)| *length) else {
            let finding = Finding::error(
                "no_parent_table",
                "is a child table, and the table it was taken out of is not here",
            );
            return Err(refused(
                finding.in_file(name),
                "give the tables of an export together, as they were written",
            ));
        };
        lists.push(list.to_owned());
        found.tables.take(&files[*at], list)?;
    }
    for at in &found.parents {
        let name = &files[*at].located.name;
        let lists = lists_of.get(stem(name)).map_or(&[][..], Vec::as_slice);
        let has = |list: &str| lists.iter().any(|known| known == list);
        if !has(CREDITS) {
            let table = format!("{}{NESTED}{CREDITS}", stem(name));
            let finding = Finding::error("no_credits_table", format!("its child table {table} is not here"));
            let remedy = format!(
                "give it as well: without credits the bill is not what was billed; if nothing was credited, give {table}.csv with its header alone"
            );
            return Err(refused(finding.in_file(name), &remedy));
        }
        if !has("labels") {
            let finding = Finding::warning(
                "no_labels_table",
                "no child table with labels is here: its rows have none",
            );
            found.findings.push(finding.in_file(name));
        }
    }
    Ok(Some(found))
}

fn refused(finding: Finding, remedy: &str) -> SourceError {
    SourceError::refused(finding.remedy(remedy))
}

fn io(located: &Located) -> impl Fn(std::io::Error) -> SourceError + '_ {
    |source| SourceError::Io {
        path: located.path.clone(),
        source,
    }
}

/// The name of the table in a file: up to the first dot.
fn stem(name: &str) -> &str {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    file.split('.').next().unwrap_or(file)
}

/// What a file is, by the columns of its header or first object.
fn kind(file: &Sighted) -> Result<Option<Kind>, SourceError> {
    let columns: Vec<String> = match &file.container {
        Container::Json { .. } => match rows(file)?.next() {
            Some(Ok((_, fields))) => fields.keys().cloned().collect(),
            _ => Vec::new(),
        },
        Container::Plain | Container::Gzip => match crate::header_row(file, b',') {
            Ok((columns, _)) => columns,
            // whoever reads it as a bill says what is wrong with it
            Err(_) => Vec::new(),
        },
        _ => Vec::new(),
    };
    let has = |name: &str| columns.iter().any(|column| column.trim() == name);
    Ok(match (has(PARENT), has(ID)) {
        (true, _) => Some(Kind::Child),
        (false, true) => Some(Kind::Parent),
        (false, false) => None,
    })
}

type Rows = Box<dyn Iterator<Item = Result<(u64, Map<String, Value>), SourceError>>>;

/// The rows of a table with their lines: lines of CSV text, objects of JSON.
fn rows(file: &Sighted) -> Result<Rows, SourceError> {
    let located = file.located.clone();
    let opened = BufReader::new(File::open(&located.path).map_err(io(&located))?);
    let gzip = matches!(file.container, Container::Gzip | Container::Json { gzip: true });
    let mut text: Box<dyn BufRead> = if gzip {
        Box::new(BufReader::new(MultiGzDecoder::new(opened)))
    } else {
        Box::new(opened)
    };
    skip_bom(&mut text).map_err(io(&located))?;
    if matches!(file.container, Container::Json { .. }) {
        let objects = serde_json::Deserializer::from_reader(text).into_iter::<Map<String, Value>>();
        let rows = objects.zip(1u64..).map(move |(object, line)| {
            let object = object.map_err(|error| {
                let finding = Finding::error("bad_json", format!("object {line} cannot be read: {error}"));
                refused(
                    finding.in_file(&located.name).at_line(line),
                    "export it again: one object a row",
                )
            });
            object.map(|object| (line, object))
        });
        return Ok(Box::new(rows));
    }
    let mut reader = csv::ReaderBuilder::new().from_reader(text);
    let broken = move |error: csv::Error| {
        let line = error.position().map_or(1, csv::Position::line);
        let finding = Finding::error("bad_csv", format!("cannot be read: {error}"));
        refused(
            finding.in_file(&located.name).at_line(line),
            "export it again, in UTF-8",
        )
    };
    let headers = reader.headers().map_err(&broken)?.clone();
    let rows = reader.into_records().map(move |record| {
        let record = record.map_err(&broken)?;
        let line = record.position().map_or(0, csv::Position::line);
        let cells = headers.iter().zip(&record).filter(|(_, cell)| !cell.is_empty());
        let fields = cells.map(|(name, cell)| (name.trim().to_owned(), Value::String(cell.to_owned())));
        Ok((line, fields.collect()))
    });
    Ok(Box::new(rows))
}

fn skip_bom(text: &mut dyn BufRead) -> std::io::Result<()> {
    if text.fill_buf()?.starts_with(b"\xef\xbb\xbf") {
        text.consume(3);
    }
    Ok(())
}

fn text_of(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    match fields.remove(name)? {
        Value::Null => None,
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        other => Some(other.to_string()),
    }
}

impl Tables {
    /// Takes in the rows of a child table.
    fn take(&mut self, file: &Sighted, list: &str) -> Result<(), SourceError> {
        let name = &file.located.name;
        for row in rows(file)? {
            let (line, mut fields) = row?;
            let at = |code: &str, text: String| Finding::error(code, text).in_file(name).at_line(line);
            let parent = text_of(&mut fields, PARENT);
            let index = text_of(&mut fields, INDEX).and_then(|index| index.parse::<u64>().ok());
            let (Some(parent), Some(index)) = (parent, index) else {
                let finding = at(
                    "bad_child_row",
                    format!("has no {PARENT}, or no whole number in {INDEX}"),
                );
                return Err(refused(finding, "export the table again"));
            };
            fields.retain(|name, value| !name.starts_with("_dlt_") && !value.is_null());
            let lists = self.lists.entry(parent.clone()).or_default();
            let places = lists.entry(list.to_owned()).or_default();
            let child = Child {
                fields,
                file: name.clone(),
                line,
            };
            if let Some(other) = places.insert(index, child) {
                let finding = at(
                    "duplicate_child",
                    format!(
                        "is number {index} of {list} of {parent}, as line {} of {} is",
                        other.line, other.file
                    ),
                );
                return Err(refused(
                    finding,
                    "a row is there twice: export the table again, or give each file once",
                ));
            }
        }
        Ok(())
    }

    /// Writes the rows of a parent's file with their lists, as nested JSON:
    /// the n-th object is its n-th row.
    ///
    /// # Errors
    /// Findings: a row without an id, or with that of another, or a list with a gap.
    pub fn write(&mut self, file: &Sighted, into: &mut dyn Write) -> Result<(), SourceError> {
        let name = &file.located.name;
        for row in rows(file)? {
            let (line, mut fields) = row?;
            let at = |code: &str, text: String| Finding::error(code, text).in_file(name).at_line(line);
            let Some(id) = text_of(&mut fields, ID) else {
                return Err(refused(
                    at("bad_parent_row", format!("has no {ID}")),
                    "export the table again",
                ));
            };
            if !self.parents.insert(id.clone()) {
                let finding = at("duplicate_parent", format!("has the {ID} {id}, as a row before it has"));
                return Err(refused(
                    finding,
                    "a row is there twice: export the table again, or give each file once",
                ));
            }
            let mut nested = Map::new();
            for (field, value) in fields {
                if !field.starts_with("_dlt_") && !value.is_null() {
                    nest(&mut nested, &field, value);
                }
            }
            for (list, places) in self.lists.remove(&id).unwrap_or_default() {
                if let Some(gap) = (0..).zip(places.keys()).find(|(place, index)| place != *index) {
                    let finding = at("missing_child", format!("number {} of its {list} is not there", gap.0));
                    return Err(refused(finding, "give all files of the child table"));
                }
                let rows = places.into_values().map(|child| Value::Object(child.fields));
                nest(&mut nested, &list, Value::Array(rows.collect()));
            }
            serde_json::to_writer(&mut *into, &nested)
                .map_err(std::io::Error::from)
                .and_then(|()| into.write_all(b"\n"))
                .map_err(io(&file.located))?;
        }
        Ok(())
    }

    /// Once every parent was written: a row of a child table that is left has none.
    ///
    /// # Errors
    /// A finding for the first of them, with how many there are.
    pub fn finish(self) -> Result<(), SourceError> {
        let left = self.lists.into_iter().flat_map(|(parent, lists)| {
            let rows = lists.into_values().flat_map(BTreeMap::into_values);
            rows.map(move |child| (child.file, child.line, parent.clone()))
        });
        let mut left: Vec<(String, u64, String)> = left.collect();
        left.sort();
        let Some((file, line, parent)) = left.first() else {
            return Ok(());
        };
        let finding = Finding::error("orphan_child", format!("is of the row {parent}, which is in no table"));
        let finding = finding.in_file(file).at_line(*line).times(left.len() as u64);
        Err(refused(finding, "give all files of the table it was taken out of"))
    }
}

/// Puts a value at `a__b`, which is `b` in `a`.
fn nest(into: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once(NESTED).filter(|(first, _)| !first.is_empty()) {
        Some((first, rest)) => match into
            .entry(first.to_owned())
            .or_insert_with(|| Value::Object(Map::new()))
        {
            Value::Object(inner) => nest(inner, rest, value),
            // the field has a value of its own: what is in it keeps its long name
            _ => {
                let _ = into.insert(path.to_owned(), value);
            }
        },
        None => {
            let _ = into.insert(path.to_owned(), value);
        }
    }
}
