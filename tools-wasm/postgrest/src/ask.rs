//! Owns what is asked: the arguments of the five functions, the rules that the signature cannot state, and the one request they make.
//! Refuses to update or delete without a condition, and with one that the server would not apply to the table itself.

use serde_json::Value;
use toolcell_client::contract::Failure;
use toolcell_client::{Method, Request, failure::invalid};

use crate::base::Base;
use crate::bindings::{Counting, Filter, SortKey, Test};
use crate::grammar;

/// The arguments of `select`.
#[derive(Debug)]
#[cfg_attr(test, derive(serde::Deserialize))]
pub(crate) struct Selection {
    pub(crate) table: String,
    pub(crate) columns: Option<Vec<String>>,
    pub(crate) filters: Option<Vec<Filter>>,
    pub(crate) order: Option<Vec<SortKey>>,
    pub(crate) limit: Option<u32>,
    pub(crate) offset: Option<u32>,
    pub(crate) total: Option<Counting>,
}

/// A request, and what is needed to say which argument a refusal is about.
#[derive(Debug)]
pub(crate) struct Ask {
    /// The request, without its key.
    pub(crate) request: Request,
    /// JSON pointers of arguments, and the names and values that the server may complain about.
    pub(crate) named: Vec<(String, String)>,
    /// The argument that became the body; empty where there is none.
    pub(crate) body: &'static str,
    /// Whether a request that was carried out has changed anything.
    pub(crate) effect: Effect,
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It reads.
    Reads,
    /// It writes, or may.
    Writes,
}

/// The most columns of a selection.
const MOST_COLUMNS: usize = 100;
/// The most conditions of a call.
const MOST_FILTERS: usize = 32;
/// The most sort keys of a selection.
const MOST_KEYS: usize = 8;
/// The most values of a list.
const MOST_VALUES: usize = 200;
/// The longest value, in bytes.
const LONGEST_VALUE: usize = 2000;
/// The longest address, in bytes: what the client sends and servers take.
const LONGEST_URL: usize = 8192;
/// The most rows that one call reads, and that one call adds.
const MOST_ROWS: u32 = 1000;
/// How many rows a call reads that does not say.
const USUAL_ROWS: u32 = 100;
/// The most rows of `at-most`.
const MOST_AFFECTED: u32 = 1_000_000;
/// The longest JSON text that is sent, in bytes.
const LONGEST_JSON: usize = 1024 * 1024;

impl Ask {
    /// Reads rows.
    pub(crate) fn select(base: &Base, selection: &Selection) -> Result<Self, Failure> {
        let mut ask = Self::new(Method::Get, base.table(checked("/table", &selection.table)?), Effect::Reads);
        let columns = selection.columns.as_deref().unwrap_or_default();
        if !columns.is_empty() {
            ask.select_columns(columns)?;
        }
        ask.filter(selection.filters.as_deref().unwrap_or_default())?;
        let order = selection.order.as_deref().unwrap_or_default();
        if !order.is_empty() {
            ask.order_by(order)?;
        }
        let limit = selection.limit.unwrap_or(USUAL_ROWS);
        if !(1..=MOST_ROWS).contains(&limit) {
            return Err(invalid("/limit", "a number from 1 to 1,000", Some(&limit.to_string())));
        }
        ask.request = ask.request.query("limit", &limit.to_string());
        if let Some(offset) = selection.offset.filter(|offset| *offset > 0) {
            ask.request = ask.request.query("offset", &offset.to_string());
        }
        if let Some(counting) = selection.total {
            let how = match counting {
                Counting::Exact => "count=exact",
                Counting::Planned => "count=planned",
                Counting::Estimated => "count=estimated",
            };
            ask.request = ask.request.header("prefer", how);
        }
        ask.finished()
    }

    /// Adds rows.
    pub(crate) fn insert(base: &Base, table: &str, rows: &str) -> Result<Self, Failure> {
        let url = base.table(checked("/table", table)?);
        let is_row = |row: &Value| row.is_object();
        let fits = |rows: &Value| match rows {
            Value::Array(rows) => (1..=MOST_ROWS as usize).contains(&rows.len()) && rows.iter().all(is_row),
            row => is_row(row),
        };
        let expected = "JSON text of one object, or of an array of 1 to 1,000 objects; at most 1 MiB";
        json(rows, fits).ok_or_else(|| invalid("/rows", expected, Some(rows)))?;
        Ok(Self::new(Method::Post, url, Effect::Writes).with_body("/rows", rows).preferring(None))
    }

    /// Changes rows.
    pub(crate) fn update(
        base: &Base,
        table: &str,
        changes: &str,
        filters: &[Filter],
        at_most: Option<u32>,
    ) -> Result<Self, Failure> {
        let url = base.table(checked("/table", table)?);
        let fits = |changes: &Value| changes.as_object().is_some_and(|changes| !changes.is_empty());
        let expected = "JSON text of an object with at least one column; at most 1 MiB";
        json(changes, fits).ok_or_else(|| invalid("/changes", expected, Some(changes)))?;
        let mut ask = Self::new(Method::Patch, url, Effect::Writes).with_body("/changes", changes);
        ask.narrow(filters)?;
        ask.preferring(checked_most(at_most)?).finished()
    }

    /// Deletes rows.
    pub(crate) fn delete(base: &Base, table: &str, filters: &[Filter], at_most: Option<u32>) -> Result<Self, Failure> {
        let mut ask = Self::new(Method::Delete, base.table(checked("/table", table)?), Effect::Writes);
        ask.narrow(filters)?;
        ask.preferring(checked_most(at_most)?).finished()
    }

    /// Calls a function.
    pub(crate) fn call(base: &Base, function: &str, arguments: Option<&str>) -> Result<Self, Failure> {
        let url = base.function(checked("/function", function)?);
        let arguments = arguments.unwrap_or("{}");
        let expected = "JSON text of an object; at most 1 MiB";
        json(arguments, Value::is_object).ok_or_else(|| invalid("/arguments", expected, Some(arguments)))?;
        Ok(Self::new(Method::Post, url, Effect::Writes).with_body("/arguments", arguments))
    }

    fn new(method: Method, url: String, effect: Effect) -> Self {
        let request = Request::new(method, url).header("accept", "application/json");
        Self { request, named: Vec::new(), body: "", effect }
    }

    /// The text goes as it was given: read and written again, numbers would lose digits.
    fn with_body(mut self, pointer: &'static str, json: &str) -> Self {
        self.request = self.request.header("content-type", "application/json").body(json);
        self.body = pointer;
        self
    }

    fn preferring(mut self, at_most: Option<u32>) -> Self {
        let most = at_most.map_or_else(String::new, |most| format!(", handling=strict, max-affected={most}"));
        self.request = self.request.header("prefer", format!("return=representation{most}"));
        self
    }

    fn select_columns(&mut self, columns: &[String]) -> Result<(), Failure> {
        if columns.len() > MOST_COLUMNS {
            return Err(invalid(&format!("/columns/{MOST_COLUMNS}"), "one of at most 100 columns", None));
        }
        let mut list = Vec::with_capacity(columns.len());
        for (at, column) in columns.iter().enumerate() {
            let pointer = format!("/columns/{at}");
            let field = if column == "*" { Some("*".to_owned()) } else { grammar::field(column) };
            list.push(field.ok_or_else(|| invalid(&pointer, COLUMN, Some(column)))?);
            self.name(pointer, column);
        }
        self.request = std::mem::replace(&mut self.request, Request::get("")).query("select", &list.join(","));
        Ok(())
    }

    fn order_by(&mut self, order: &[SortKey]) -> Result<(), Failure> {
        if order.len() > MOST_KEYS {
            return Err(invalid(&format!("/order/{MOST_KEYS}"), "one of at most 8 sort keys", None));
        }
        let mut list = Vec::with_capacity(order.len());
        for (at, key) in order.iter().enumerate() {
            let pointer = format!("/order/{at}/column");
            list.push(grammar::sort_key(key).ok_or_else(|| invalid(&pointer, COLUMN, Some(&key.column)))?);
            self.name(pointer, &key.column);
        }
        self.request = std::mem::replace(&mut self.request, Request::get("")).query("order", &list.join(","));
        Ok(())
    }

    /// Adds the conditions of a call that changes rows: at least one, and none that the server would take for one of another table.
    fn narrow(&mut self, filters: &[Filter]) -> Result<(), Failure> {
        if filters.is_empty() {
            let expected = "at least one condition: a call without one would change every row";
            return Err(invalid("/filters", expected, None));
        }
        // The server splits names at dots, in quotes too, when it collects the conditions of an update or a delete, and leaves out those
        // of embedded tables. A condition on a column with a dot would be left out, and every row would be changed.
        if let Some(at) = filters.iter().position(|filter| filter.column.contains('.')) {
            let expected = "a column without a dot in its name, where rows are changed";
            return Err(invalid(&format!("/filters/{at}/column"), expected, Some(&filters[at].column)));
        }
        self.filter(filters)
    }

    fn filter(&mut self, filters: &[Filter]) -> Result<(), Failure> {
        if filters.len() > MOST_FILTERS {
            return Err(invalid(&format!("/filters/{MOST_FILTERS}"), "one of at most 32 conditions", None));
        }
        for (at, Filter { column, test }) in filters.iter().enumerate() {
            let pointer = format!("/filters/{at}/column");
            let field = grammar::field(column).ok_or_else(|| invalid(&pointer, COLUMN, Some(column)))?;
            self.name(pointer, column);
            self.check_values(at, test)?;
            let condition = grammar::condition(test)
                .ok_or_else(|| invalid(&format!("/filters/{at}/test"), "a list of at least one value", None))?;
            self.request = std::mem::replace(&mut self.request, Request::get("")).query(&field, &condition);
        }
        Ok(())
    }

    fn check_values(&mut self, at: usize, test: &Test) -> Result<(), Failure> {
        let pointer = |case: &str| format!("/filters/{at}/test/{case}");
        let (pointer, values) = match test {
            Test::Eq(value) => (pointer("eq"), std::slice::from_ref(value)),
            Test::Neq(value) => (pointer("neq"), std::slice::from_ref(value)),
            Test::Gt(value) => (pointer("gt"), std::slice::from_ref(value)),
            Test::Gte(value) => (pointer("gte"), std::slice::from_ref(value)),
            Test::Lt(value) => (pointer("lt"), std::slice::from_ref(value)),
            Test::Lte(value) => (pointer("lte"), std::slice::from_ref(value)),
            Test::Like(value) => (pointer("like"), std::slice::from_ref(value)),
            Test::Ilike(value) => (pointer("ilike"), std::slice::from_ref(value)),
            Test::Is(_) => return Ok(()),
            Test::In(values) => (pointer("in"), values.as_slice()),
            Test::NotIn(values) => (pointer("not-in"), values.as_slice()),
            Test::Contains(values) => (pointer("contains"), values.as_slice()),
            Test::ContainsJson(json) => {
                let pointer = pointer("contains-json");
                if serde_json::from_str::<serde::de::IgnoredAny>(json).is_err() {
                    return Err(invalid(&pointer, "JSON text", Some(json)));
                }
                (pointer, std::slice::from_ref(json))
            }
        };
        if values.len() > MOST_VALUES {
            return Err(invalid(&format!("{pointer}/{MOST_VALUES}"), "one of at most 200 values", None));
        }
        if let Some(long) = values.iter().find(|value| value.len() > LONGEST_VALUE) {
            return Err(invalid(&pointer, "values of at most 2,000 bytes", Some(long)));
        }
        for value in values {
            self.name(pointer.clone(), value);
        }
        Ok(())
    }

    fn name(&mut self, pointer: String, text: &str) {
        self.named.push((pointer, text.to_owned()));
    }

    fn finished(self) -> Result<Self, Failure> {
        if self.request.url.len() > LONGEST_URL {
            let length = self.request.url.len().to_string();
            return Err(invalid("/filters", "conditions that fit into an address of 8,192 bytes", Some(&length)));
        }
        Ok(self)
    }
}

/// What a column may be.
const COLUMN: &str = "a column of 1 to 63 bytes, or a path into a JSON column such as data->address->>city";

fn checked<'a>(pointer: &str, name: &'a str) -> Result<&'a str, Failure> {
    let name = name.trim();
    if grammar::is_name(name) {
        return Ok(name);
    }
    Err(invalid(pointer, "a name of 1 to 63 bytes, without a schema and without slashes", Some(name)))
}

fn checked_most(at_most: Option<u32>) -> Result<Option<u32>, Failure> {
    match at_most {
        Some(most) if !(1..=MOST_AFFECTED).contains(&most) => {
            Err(invalid("/at_most", "a number from 1 to 1,000,000", Some(&most.to_string())))
        }
        most => Ok(most),
    }
}

/// The value of a JSON text that fits; none where it is too long, no JSON or does not fit.
fn json(text: &str, fits: impl FnOnce(&Value) -> bool) -> Option<Value> {
    let value = (text.len() <= LONGEST_JSON).then(|| serde_json::from_str(text).ok()).flatten()?;
    fits(&value).then_some(value)
}
