//! The filter language: `namespace:"a","b"+label[app]:"x"`.
//!
//! ```text
//! filter     = term (("+" term)* | ("|" term)*)        and; or; never mixed without parentheses
//! term       = "(" filter ")" | field operator value ("," value)*
//! field      = name | ("label" | "annotation") "[" key "]"
//! operator   = ":" "!:" "~:" "!~:" "<~:" "!<~:" "~>:" "!~>:"
//! value      = '"' text '"' | word
//! ```
//! `:` is equals, `~:` contains, `<~:` starts with, `~>:` ends with, `!` not.
//! Several values are alternatives; behind `!` none of them may fit. An empty
//! value or `__unallocated__` stands for none. A blank between two terms is an
//! `and`, since a plus in an address is a blank.

use super::BadAsk;
use super::row::{Field, Row};

/// How deep parentheses may be.
const MAX_DEPTH: usize = 32;
/// The longest filter, in bytes.
const MAX_LENGTH: usize = 16 * 1024;
/// What the original calls a value that is not there.
pub const UNALLOCATED: &str = "__unallocated__";

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// The same text.
    Equals,
    /// Holds the text.
    Contains,
    /// Starts with it.
    Starts,
    /// Ends with it.
    Ends,
}

/// A condition over fields `F`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter<F> {
    /// All hold.
    And(Vec<Filter<F>>),
    /// One holds.
    Or(Vec<Filter<F>>),
    /// Does not hold.
    Not(Box<Filter<F>>),
    /// The field has one of these values.
    Is {
        /// The field.
        field: F,
        /// The comparison.
        compare: Compare,
        /// The alternatives.
        values: Vec<String>,
    },
}

impl<F> Filter<F> {
    /// Whether it holds, given the value of each field.
    pub fn holds<'v>(&self, value: &impl Fn(&F) -> std::borrow::Cow<'v, str>) -> bool {
        self.holds_any(&|field, fits| fits(&value(field)))
    }

    /// The same of fields with several values: `any` tells whether one of a
    /// field's values fits.
    pub fn holds_any(&self, any: &impl Fn(&F, &dyn Fn(&str) -> bool) -> bool) -> bool {
        match self {
            Filter::And(all) => all.iter().all(|one| one.holds_any(any)),
            Filter::Or(some) => some.iter().any(|one| one.holds_any(any)),
            Filter::Not(one) => !one.holds_any(any),
            Filter::Is { field, compare, values } => any(field, &|has: &str| {
                values.iter().any(|wanted| match compare {
                    Compare::Equals if wanted == UNALLOCATED => has.is_empty(),
                    Compare::Equals => has == wanted.as_str(),
                    Compare::Contains => has.contains(wanted.as_str()),
                    Compare::Starts => has.starts_with(wanted.as_str()),
                    Compare::Ends => has.ends_with(wanted.as_str()),
                })
            }),
        }
    }

    /// Every field it looks at.
    pub fn fields<'f>(&'f self, into: &mut Vec<&'f F>) {
        match self {
            Filter::And(all) | Filter::Or(all) => all.iter().for_each(|one| one.fields(into)),
            Filter::Not(one) => one.fields(into),
            Filter::Is { field, .. } => into.push(field),
        }
    }
}

impl Filter<Field> {
    /// Whether a row passes.
    #[must_use]
    pub fn passes(&self, row: &Row<'_>) -> bool {
        self.holds_any(&|field: &Field, fits: &dyn Fn(&str) -> bool| field.fits(row, fits))
    }
}

/// Reads a field name and, for labels, the key behind it; `None` = no such field.
pub type FieldNames<F> = fn(&str, Option<&str>) -> Option<F>;

/// Fields of `/allocation`.
#[must_use]
pub fn allocation_field(name: &str, key: Option<&str>) -> Option<Field> {
    let name = name.to_ascii_lowercase();
    if let Some(key) = key {
        return match name.as_str() {
            "label" => Some(Field::Label(key.to_owned())),
            "annotation" => Some(Field::Annotation(key.to_owned())),
            _ => None,
        };
    }
    Some(match name.as_str() {
        "cluster" => Field::Cluster,
        "node" => Field::Node,
        "namespace" => Field::Namespace,
        "controllerkind" => Field::ControllerKind,
        "controllername" | "controller" => Field::Controller,
        "pod" => Field::Pod,
        "container" => Field::Container,
        "provider" => Field::Provider,
        "providerid" => Field::ProviderId,
        "services" | "service" => Field::Service,
        _ => Field::Label(alias(&name)?.to_owned()),
    })
}

/// The label behind an alias of the original, with its usual configuration.
#[must_use]
pub fn alias(name: &str) -> Option<&'static str> {
    Some(match name {
        "department" => "department",
        "environment" => "env",
        "owner" => "owner",
        "product" => "app",
        "team" => "team",
        _ => return None,
    })
}

/// Parses a filter.
///
/// # Errors
/// Says what was expected, and at which character, counted from 1.
pub fn parse<F>(text: &str, fields: FieldNames<F>) -> Result<Filter<F>, BadAsk> {
    if text.len() > MAX_LENGTH {
        return Err(BadAsk::new(format!("filter is longer than {MAX_LENGTH} bytes")));
    }
    let mut parser = Parser { text, at: 0, fields };
    let filter = parser.filter(0)?;
    parser.blanks();
    match parser.peek() {
        None => Ok(filter),
        Some(_) => Err(parser.expected("`+`, `|` or the end")),
    }
}

struct Parser<'t, F> {
    text: &'t str,
    at: usize,
    fields: FieldNames<F>,
}

impl<F> Parser<'_, F> {
    fn filter(&mut self, depth: usize) -> Result<Filter<F>, BadAsk> {
        if depth > MAX_DEPTH {
            return Err(self.bad(&format!("parentheses are deeper than {MAX_DEPTH}")));
        }
        let mut terms = vec![self.term(depth)?];
        let mut joined: Option<char> = None;
        loop {
            let blank = self.blanks();
            let (join, given) = match self.peek() {
                Some(join @ ('+' | '|')) => (join, true),
                // a plus that became a blank
                Some(next) if blank && next != ')' => ('+', false),
                _ => break,
            };
            if joined.is_some_and(|before| before != join) {
                return Err(self.bad("`+` and `|` are mixed; put parentheses around one of them"));
            }
            joined = Some(join);
            if given {
                self.at += 1;
            }
            terms.push(self.term(depth)?);
        }
        Ok(match (joined, terms.pop()) {
            (None, Some(one)) => one,
            (Some('|'), last) => Filter::Or(terms.into_iter().chain(last).collect()),
            (_, last) => Filter::And(terms.into_iter().chain(last).collect()),
        })
    }

    fn term(&mut self, depth: usize) -> Result<Filter<F>, BadAsk> {
        self.blanks();
        if self.take("(") {
            let inner = self.filter(depth + 1)?;
            self.blanks();
            return if self.take(")") {
                Ok(inner)
            } else {
                Err(self.expected("`)`"))
            };
        }
        let start = self.at;
        let name = self.word().to_owned();
        if name.is_empty() {
            return Err(self.expected("a field such as namespace or label[app]"));
        }
        let key = if self.take("[") {
            let key = self.until(']')?;
            if key.is_empty() {
                return Err(self.bad("the key between the brackets is empty"));
            }
            Some(key)
        } else {
            None
        };
        let Some(field) = (self.fields)(&name, key.as_deref()) else {
            self.at = start;
            let needs_key = matches!(name.to_ascii_lowercase().as_str(), "label" | "annotation");
            return Err(if needs_key {
                self.bad(&format!("{name} needs a key, as in {name}[app]"))
            } else {
                self.bad(&format!("there is no field {name}"))
            });
        };
        self.blanks();
        let (not, compare) = self.operator()?;
        let mut values = vec![self.value()?];
        loop {
            let end = self.at;
            self.blanks();
            if !self.take(",") {
                self.at = end;
                break;
            }
            values.push(self.value()?);
        }
        let is = Filter::Is { field, compare, values };
        Ok(if not { Filter::Not(Box::new(is)) } else { is })
    }

    fn operator(&mut self) -> Result<(bool, Compare), BadAsk> {
        let not = self.take("!");
        for (text, compare) in [
            ("<~:", Compare::Starts),
            ("~>:", Compare::Ends),
            ("~:", Compare::Contains),
            (":", Compare::Equals),
        ] {
            if self.take(text) {
                return Ok((not, compare));
            }
        }
        Err(self.expected("an operator: `:`, `!:`, `~:`, `!~:`, `<~:`, `!<~:`, `~>:` or `!~>:`"))
    }

    fn value(&mut self) -> Result<String, BadAsk> {
        self.blanks();
        if self.take("\"") {
            return self.until('"');
        }
        let word = self.word().to_owned();
        if word.is_empty() {
            return Err(self.expected("a value in double quotes"));
        }
        Ok(word)
    }

    fn word(&mut self) -> &str {
        let rest = &self.text[self.at..];
        let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
        let length = rest.find(|c| !inside(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn until(&mut self, end: char) -> Result<String, BadAsk> {
        let rest = &self.text[self.at..];
        let Some(length) = rest.find(end) else {
            self.at = self.text.len();
            return Err(self.expected(&format!("`{end}`")));
        };
        self.at += length + end.len_utf8();
        Ok(rest[..length].to_owned())
    }

    fn blanks(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let length = rest.len() - rest.trim_start().len();
        self.at += length;
        length > 0
    }

    fn take(&mut self, text: &str) -> bool {
        let there = self.text[self.at..].starts_with(text);
        if there {
            self.at += text.len();
        }
        there
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn expected(&self, what: &str) -> BadAsk {
        let found = self.peek().map_or("the end".to_owned(), |c| format!("`{c}`"));
        self.bad(&format!("expected {what}, found {found}"))
    }

    fn bad(&self, what: &str) -> BadAsk {
        let character = self.text[..self.at].chars().count() + 1;
        BadAsk::new(format!("filter at character {character}: {what}"))
    }
}

/// The older parameters.
pub const LEGACY: [&str; 15] = [
    "filterClusters",
    "filterNodes",
    "filterNamespaces",
    "filterControllerKinds",
    "filterControllers",
    "filterPods",
    "filterContainers",
    "filterServices",
    "filterDepartments",
    "filterEnvironments",
    "filterOwners",
    "filterProducts",
    "filterTeams",
    "filterLabels",
    "filterAnnotations",
];

/// The older parameters, one per field: `filterNamespaces=a,b*`,
/// `filterLabels=app:x`, `filterControllers=deployment:web`. A star at the end
/// stands for the rest of the text.
///
/// # Errors
/// When a label or annotation lacks its value.
pub fn legacy(name: &str, text: &str) -> Result<Option<Filter<Field>>, BadAsk> {
    let field = match name {
        "filterClusters" => Field::Cluster,
        "filterNodes" => Field::Node,
        "filterNamespaces" => Field::Namespace,
        "filterControllerKinds" => Field::ControllerKind,
        "filterControllers" => Field::Controller,
        "filterPods" => Field::Pod,
        "filterContainers" => Field::Container,
        "filterServices" => Field::Service,
        "filterDepartments" => Field::Label("department".to_owned()),
        "filterEnvironments" => Field::Label("env".to_owned()),
        "filterOwners" => Field::Label("owner".to_owned()),
        "filterProducts" => Field::Label("app".to_owned()),
        "filterTeams" => Field::Label("team".to_owned()),
        "filterLabels" | "filterAnnotations" => return labelled(name, text).map(Some),
        _ => return Ok(None),
    };
    let one = |value: &str| {
        let named = (field == Field::Controller).then(|| value.split_once(':')).flatten();
        match named {
            Some((kind, name)) => Filter::And(vec![
                starred(Field::ControllerKind, kind),
                starred(Field::Controller, name),
            ]),
            None => starred(field.clone(), value),
        }
    };
    Ok(Some(Filter::Or(list(text).map(one).collect())))
}

fn labelled(name: &str, text: &str) -> Result<Filter<Field>, BadAsk> {
    let one = |pair: &str| {
        let (key, value) = pair
            .split_once(':')
            .or_else(|| pair.split_once('='))
            .ok_or_else(|| BadAsk::new(format!("{name}={pair} does not fit; write key:value")))?;
        let field = match name {
            "filterLabels" => Field::Label(key.trim().to_owned()),
            _ => Field::Annotation(key.trim().to_owned()),
        };
        Ok(starred(field, value.trim()))
    };
    list(text).map(one).collect::<Result<_, _>>().map(Filter::Or)
}

/// Values between commas, without the blanks around them.
pub fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn starred(field: Field, value: &str) -> Filter<Field> {
    let (compare, value) = match value.strip_suffix('*') {
        Some(start) => (Compare::Starts, start),
        None => (Compare::Equals, value),
    };
    let lower = field == Field::ControllerKind;
    let value = if lower {
        value.to_ascii_lowercase()
    } else {
        value.to_owned()
    };
    Filter::Is {
        field,
        compare,
        values: vec![value],
    }
}

#[cfg(test)]
mod tests;
