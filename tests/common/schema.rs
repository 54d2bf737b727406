//! Each line is held against docs/events.schema.json: types, keys, and the order of the keys.

use std::sync::OnceLock;

use serde_json::Value;

static SCHEMA: OnceLock<(Value, jsonschema::Validator)> = OnceLock::new();

fn schema() -> &'static (Value, jsonschema::Validator) {
    SCHEMA.get_or_init(|| {
        let schema: Value =
            serde_json::from_str(include_str!("../../docs/events.schema.json")).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        (schema, validator)
    })
}

/// Reads a line with another parser than ours, and holds it against the schema.
pub fn check(line: &str) -> Value {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    let (schema, validator) = schema();
    if let Err(error) = validator.validate(&value) {
        panic!("{error} at {}: {line}", error.instance_path);
    }
    let event = value["event"].as_str().unwrap().to_owned();
    let mut keys = ["common", "process", &event]
        .into_iter()
        .filter_map(|part| schema["$defs"][part]["properties"].as_object())
        .flat_map(|properties| properties.keys());
    for key in value.as_object().unwrap().keys() {
        assert!(
            keys.any(|known| known == key),
            "{key} is out of order: {line}"
        );
    }
    value
}
