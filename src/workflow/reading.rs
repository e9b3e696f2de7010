//! Reads a TOML document table by table and field by field, keeping the line of each value and going on after an
//! error, so that one look shows everything that is wrong with a file.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostics::DefinitionError;
use super::duration::parse_duration;
use super::names::suggestion;

/// One file being read, and what was found wrong with it so far.
pub(super) struct Reading<'i> {
    file: String,
    text: &'i str,
    errors: Vec<DefinitionError>,
}

/// Where in a file something stands: for errors that are only found later, when the whole graph is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) line: Option<usize>,
    pub(super) workflow: Option<String>,
    pub(super) task: Option<String>,
    pub(super) field: Option<String>,
}

impl<'i> Reading<'i> {
    /// Starts on `text`. The second value is the document; with syntax errors it is what could be understood.
    pub(super) fn open(file: &str, text: &'i str) -> (Self, Spanned<DeTable<'i>>) {
        let mut reading = Self { file: file.to_owned(), text, errors: Vec::new() };
        let (document, faults) = DeTable::parse_recoverable(text);
        for fault in faults {
            let line = fault.span().map(|span| reading.line(&span));
            // Messages of the TOML parser can run over several lines; ours are one line each.
            let problem = fault.message().split_whitespace().collect::<Vec<_>>().join(" ");
            reading.report(Place { line, ..Place::default() }, format!("this is not TOML: {problem}"));
        }
        (reading, document)
    }

    /// The file's name, as errors say it.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// The 1-based line of a span.
    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().get(..span.start).unwrap_or(self.text.as_bytes());
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    pub(super) fn report(&mut self, place: Place, problem: impl Into<String>) {
        let Place { line, workflow, task, field } = place;
        self.errors.push(DefinitionError {
            file: self.file.clone(),
            line,
            workflow,
            task,
            field,
            problem: problem.into(),
        });
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// What was found wrong, by line; what no line is to blame for comes last.
    pub(super) fn finish(mut self) -> Vec<DefinitionError> {
        self.errors.sort_by_key(|error| (error.line.is_none(), error.line));
        self.errors
    }
}

/// A table whose fields are taken one by one; [`Fields::refuse_rest`] then reports those nobody asked for.
pub(super) struct Fields<'t, 'i> {
    table: &'t DeTable<'i>,
    place: Place,
    known: BTreeSet<&'static str>,
}

impl<'t, 'i> Fields<'t, 'i> {
    /// `place` says where the table is; its line is the table's.
    pub(super) fn of(table: &'t DeTable<'i>, place: Place) -> Self {
        Self { table, place, known: BTreeSet::new() }
    }

    /// Names the workflow in all later errors of this table and those within it.
    pub(super) fn name_workflow(&mut self, workflow: &str) {
        self.place.workflow = Some(workflow.to_owned());
    }

    /// Names the task in all later errors of this table.
    pub(super) fn name_task(&mut self, task: &str) {
        self.place.task = Some(task.to_owned());
    }

    /// The table's own place.
    pub(super) fn place(&self) -> Place {
        self.place.clone()
    }

    /// The place of one of its fields; the table's line when the field is absent.
    pub(super) fn place_of(&self, reading: &Reading<'_>, field: &str) -> Place {
        let line = self.table.get_key_value(field).map(|(key, _)| reading.line(&key.span())).or(self.place.line);
        Place { line, field: Some(field.to_owned()), ..self.place.clone() }
    }

    /// Whether the field is there, well-formed or not.
    pub(super) fn has(&self, field: &str) -> bool {
        self.table.contains_key(field)
    }

    fn value(&mut self, field: &'static str) -> Option<&'t Spanned<DeValue<'i>>> {
        self.known.insert(field);
        self.table.get(field)
    }

    fn mistyped(&self, reading: &mut Reading<'_>, field: &str, value: &DeValue<'_>, wanted: &str) {
        let place = self.place_of(reading, field);
        reading.report(place, format!("must be {wanted}, but is {}", value.type_str()));
    }

    /// A text, if the field is there and is one.
    pub(super) fn text(&mut self, reading: &mut Reading<'_>, field: &'static str) -> Option<String> {
        let value = self.value(field)?.get_ref();
        let text = value.as_str().map(ToOwned::to_owned);
        if text.is_none() {
            self.mistyped(reading, field, value, "text in quotes");
        }
        text
    }

    /// A text that has to be there.
    pub(super) fn required_text(&mut self, reading: &mut Reading<'_>, field: &'static str) -> Option<String> {
        if self.value(field).is_none() {
            let place = self.place_of(reading, field);
            reading.report(place, "is missing: add it");
        }
        self.text(reading, field)
    }

    /// A duration written as text.
    pub(super) fn duration(&mut self, reading: &mut Reading<'_>, field: &'static str) -> Option<Duration> {
        let value = self.value(field)?.get_ref();
        let Some(text) = value.as_str() else {
            self.mistyped(reading, field, value, "a duration as text, as in \"30m\"");
            return None;
        };
        match parse_duration(text) {
            Ok(duration) => Some(duration),
            Err(problem) => {
                let place = self.place_of(reading, field);
                reading.report(place, problem);
                None
            }
        }
    }

    /// A whole number within `range`.
    pub(super) fn number(
        &mut self,
        reading: &mut Reading<'_>,
        field: &'static str,
        range: std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        let value = self.value(field)?.get_ref();
        self.whole_number(reading, field, value, range)
    }

    /// Every entry as a whole number within `range`, by key, in the file's order.
    pub(super) fn numbers(
        &self,
        reading: &mut Reading<'_>,
        range: std::ops::RangeInclusive<u32>,
    ) -> Vec<(String, u32)> {
        let mut entries: Vec<_> = self.table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let number = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let key: &std::borrow::Cow<'_, str> = key.get_ref();
            Some((key.to_string(), self.whole_number(reading, key, value.get_ref(), range.clone())?))
        };
        entries.into_iter().filter_map(number).collect()
    }

    fn whole_number(
        &self,
        reading: &mut Reading<'_>,
        field: &str,
        value: &DeValue<'_>,
        range: std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        let wanted = format!("a whole number from {} to {}", range.start(), range.end());
        let Some(integer) = value.as_integer() else {
            self.mistyped(reading, field, value, &wanted);
            return None;
        };
        let number =
            u32::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|number| range.contains(number));
        if number.is_none() {
            let place = self.place_of(reading, field);
            reading.report(place, format!("must be {wanted}, but is {integer}"));
        }
        number
    }

    /// A list of texts; missing is empty.
    pub(super) fn texts(&mut self, reading: &mut Reading<'_>, field: &'static str) -> Vec<String> {
        let Some(value) = self.value(field).map(Spanned::get_ref) else { return Vec::new() };
        let texts: Option<Vec<String>> = value
            .as_array()
            .and_then(|array| array.iter().map(|item| item.get_ref().as_str().map(ToOwned::to_owned)).collect());
        if texts.is_none() {
            self.mistyped(reading, field, value, "a list of texts in quotes");
        }
        texts.unwrap_or_default()
    }

    /// Anything, as JSON.
    pub(super) fn json(&mut self, reading: &mut Reading<'_>, field: &'static str) -> Option<Value> {
        let value = self.value(field)?.get_ref();
        let json = json(value);
        if json.is_none() {
            self.mistyped(reading, field, value, "something that JSON can say: no dates, no endless numbers");
        }
        json
    }

    /// A table within this one.
    pub(super) fn table(&mut self, reading: &mut Reading<'_>, field: &'static str) -> Option<Fields<'t, 'i>> {
        let value = self.value(field)?.get_ref();
        let Some(table) = value.as_table() else {
            self.mistyped(reading, field, value, "a table");
            return None;
        };
        Some(Fields::of(table, Place { field: None, ..self.place_of(reading, field) }))
    }

    /// The tables of a `[[field]]` list; each one's line is that of its first field.
    pub(super) fn list_of_tables(&mut self, reading: &mut Reading<'_>, field: &'static str) -> Vec<Fields<'t, 'i>> {
        let Some(value) = self.value(field).map(Spanned::get_ref) else { return Vec::new() };
        let Some(array) = value.as_array() else {
            self.mistyped(reading, field, value, &format!("a list of [[{field}]] tables"));
            return Vec::new();
        };
        let mut tables = Vec::new();
        for item in array.iter() {
            let place = Place { line: Some(reading.line(&item.span())), ..self.place.clone() };
            match item.get_ref().as_table() {
                Some(table) => tables.push(Fields::of(table, place)),
                None => reading.report(
                    Place { field: Some(field.to_owned()), ..place },
                    format!("must be a [[{field}]] table, but is {}", item.get_ref().type_str()),
                ),
            }
        }
        tables
    }

    /// Each entry that is a table, by key, in the file's order. Others are reported with `hint`.
    pub(super) fn tables(&self, reading: &mut Reading<'_>, hint: &str) -> Vec<(String, Fields<'t, 'i>)> {
        let mut entries: Vec<_> = self.table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut tables = Vec::new();
        for (key, value) in entries {
            let place = self.place_of(reading, key.get_ref());
            match value.get_ref().as_table() {
                Some(table) => {
                    tables.push((key.get_ref().to_string(), Fields::of(table, Place { field: None, ..place })));
                }
                None => reading.report(place, hint),
            }
        }
        tables
    }

    /// Reports every field that was not asked for.
    pub(super) fn refuse_rest(&self, reading: &mut Reading<'_>, why: &str) {
        for key in self.table.keys() {
            let name = key.get_ref();
            if !self.known.contains(&**name) {
                let place = self.place_of(reading, name);
                reading.report(place, format!("{why}{}", suggestion(name, self.known.iter().copied())));
            }
        }
    }
}

/// A TOML value as JSON; `None` where JSON has no word for it.
fn json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => Value::from(i64::from_str_radix(number.as_str(), number.radix()).ok()?),
        DeValue::Float(number) => Value::Number(Number::from_f64(number.as_str().parse().ok()?)?),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(_) => return None,
        DeValue::Array(items) => Value::Array(items.iter().map(|item| json(item.get_ref())).collect::<Option<_>>()?),
        DeValue::Table(fields) => {
            let field = |(name, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| -> Option<(String, Value)> {
                let name: &std::borrow::Cow<'_, str> = name.get_ref();
                Some((name.to_string(), json(value.get_ref())?))
            };
            Value::Object(fields.iter().map(field).collect::<Option<Map<_, _>>>()?)
        }
    })
}
