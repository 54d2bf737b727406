//! docs/events.md tells of every field that the schema knows: what it means, since which kernel, and what
//! stands there where it is unknown.

use recorderd::family::EVENTS as EVENT_TYPES;
use serde_json::Value;

const SCHEMA: &str = include_str!("../docs/events.schema.json");
const EVENTS: &str = include_str!("../docs/events.md");

/// The rows of fields in a section, as cells: keys, type, since, meaning, when unknown.
fn rows(section: &str) -> Vec<Vec<&str>> {
    let table = |line: &&str| line.starts_with("| `") && line.matches(" | ").count() == 4;
    let cells = |line: &'static str| line.trim_matches('|').split(" | ").map(str::trim).collect();
    let sections = EVENTS.split("\n## ");
    let mut lines = sections
        .filter(|text| text.split([',', '\n']).next() == Some(section))
        .flat_map(str::lines)
        .collect::<Vec<_>>();
    lines.retain(table);
    lines.into_iter().map(cells).collect()
}

/// The fields of a definition that are in no table of the section.
fn missing(definition: &str, fields: &Value, section: &str) -> Vec<String> {
    let rows = rows(section);
    let told = |field: &str| {
        rows.iter().any(|row| {
            let [keys, _, since, meaning, unknown] = row[..] else {
                return false;
            };
            keys.contains(&format!("`{field}`"))
                && ![since, meaning, unknown].contains(&"")
                && since.starts_with(|digit: char| digit.is_ascii_digit())
        })
    };
    let fields = fields["properties"].as_object().unwrap().keys();
    fields
        .filter(|field| !field.ends_with("_base64") && !told(field))
        .map(|field| format!("{definition}: {field}"))
        .collect()
}

#[test]
fn every_field_is_told() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let definitions = schema["$defs"].as_object().unwrap();
    let mut untold = Vec::new();
    for (name, definition) in definitions {
        let section = match name.as_str() {
            "common" | "process" => "In every event",
            name if name.starts_with("session.") || name.starts_with("recorder.") => name,
            _ => continue,
        };
        untold.extend(missing(name, definition, section));
    }
    assert_eq!(untold, [""; 0]);
}

/// The events of the schema and of the page are those of the table.
#[test]
fn every_event_is_told() {
    let mut events: Vec<_> = EVENT_TYPES
        .iter()
        .map(|row| (row.title.name, row.title.code))
        .collect();
    events.sort_unstable();
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let listed = schema["oneOf"].as_array().unwrap().iter();
    let constant = |it: &'_ Value, key: &str| it["properties"][key]["const"].clone();
    let mut in_schema: Vec<_> = listed
        .map(|it| (constant(it, "event"), constant(it, "code")))
        .collect();
    in_schema.sort_unstable_by_key(|it| it.0.to_string());
    assert_eq!(
        in_schema,
        events
            .iter()
            .map(|it| (it.0.into(), it.1.into()))
            .collect::<Vec<(Value, Value)>>()
    );
    let headings = EVENTS.lines().filter_map(|line| line.strip_prefix("## "));
    let mut on_page: Vec<_> = headings
        .filter_map(|heading| heading.trim_end_matches(" +").split_once(", "))
        .filter(|(name, _)| name.starts_with("session.") || name.starts_with("recorder."))
        .collect();
    on_page.sort_unstable();
    assert_eq!(on_page, events);
}

/// The comparison notices what it is there for.
#[test]
fn a_field_that_is_not_told_is_noticed() {
    let fields = serde_json::json!({"properties": {"path": {}, "invented": {}}});
    let untold = missing("event", &fields, "session.disk");
    assert_eq!(untold, ["event: invented"]);
}
