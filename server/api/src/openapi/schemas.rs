//! The schemas of requests and of answers, put together at the end.

use std::collections::{BTreeMap, BTreeSet};

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::codes;
use crate::table::{Content, Param};

/// Where schemas of requests and of answers are while they are collected: a
/// type may be read in another form than it is written in.
const INPUTS: &str = "#/components/inputs/";
const SCHEMAS: &str = "#/components/schemas/";

/// Schemas by name, those of requests apart from those of answers.
pub(super) struct Schemas {
    inputs: SchemaGenerator,
    outputs: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let generator = |path: &'static str, settings: SchemaSettings| {
            let settings = settings.with(|settings| settings.definitions_path = path.into());
            settings.into_generator()
        };
        let settings = SchemaSettings::draft2020_12;
        let mut schemas = Schemas {
            inputs: generator("/components/inputs", settings().for_deserialize()),
            outputs: generator("/components/schemas", settings().for_serialize()),
        };
        schemas.outputs.subschema_for::<codes::ProblemDocument>();
        schemas
    }

    pub(super) fn input(&mut self, content: &Content) -> Value {
        (content.schema)(&mut self.inputs).to_value()
    }

    pub(super) fn param(&mut self, param: &Param) -> Value {
        (param.schema)(&mut self.inputs).to_value()
    }

    pub(super) fn output(&mut self, content: &Content) -> Value {
        (content.schema)(&mut self.outputs).to_value()
    }

    /// Puts the schemas into the document: one where both are the same, else
    /// that of requests under a name of its own.
    pub(super) fn join(mut self, mut document: Value) -> Value {
        let mut outputs = self.outputs.take_definitions(true);
        let inputs = self.inputs.take_definitions(true);
        let same = |name: &str, apart: &BTreeSet<String>| {
            let (Some(input), Some(output)) = (inputs.get(name), outputs.get(name)) else {
                return true;
            };
            let mut renamed = input.clone();
            rename(&mut renamed, apart);
            renamed == *output
        };
        let mut apart = BTreeSet::new();
        loop {
            let more: Vec<String> = inputs
                .keys()
                .filter(|name| !apart.contains(*name) && !same(name, &apart))
                .cloned()
                .collect();
            if more.is_empty() {
                break;
            }
            apart.extend(more);
        }
        for (name, schema) in inputs {
            let name = match apart.contains(&name) {
                true => format!("{name}Input"),
                false => name,
            };
            outputs.insert(name, schema);
        }
        // By name, so that a new route moves no others.
        let sorted: BTreeMap<String, Value> = outputs.into_iter().collect();
        document["components"]["schemas"] = json!(sorted);
        rename(&mut document, &apart);
        document
    }
}

/// Lets references to schemas of requests point to where those are in the end.
fn rename(value: &mut Value, apart: &BTreeSet<String>) {
    match value {
        Value::String(text) => {
            if let Some(name) = text.strip_prefix(INPUTS) {
                let end = if apart.contains(name) { "Input" } else { "" };
                *text = format!("{SCHEMAS}{name}{end}");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, apart)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|member| rename(member, apart)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Takes back that entries of a set must differ: one that is there twice is there, and no reason to
/// refuse a request.
pub(super) fn loosen(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.remove("uniqueItems");
            members.values_mut().for_each(loosen);
        }
        Value::Array(items) => items.iter_mut().for_each(loosen),
        _ => {}
    }
}
