//! What programs print as JSON, against the schemas that docs/ has of it.

use crate::workspace::{read, root};
use boon::{Compiler, Schemas};
use serde_json::Value;

/// Checks that every line is what the schema in this file allows, and has no field that it does not name. Gives the kinds of events.
pub fn check_events(schema: &str, lines: &[String]) -> Vec<String> {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    let path = root().join(schema);
    let path = path.to_str().expect("the project's folder has a name in UTF-8");
    let index = compiler.compile(path, &mut schemas).unwrap_or_else(|error| panic!("{schema}: {error}"));
    let document: Value = serde_json::from_str(&read(schema)).expect("the schema is JSON");
    let kinds = lines.iter().map(|line| {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        schemas.validate(&event, index).unwrap_or_else(|error| panic!("{line}: {error}"));
        let kind = event["event"].as_str().expect("every event has its kind").to_owned();
        let described =
            document["oneOf"].as_array().and_then(|all| all.iter().find(|described| described["title"] == *kind));
        let named = described.and_then(|described| described["properties"].as_object());
        let named = named.unwrap_or_else(|| panic!("{kind} is not in {schema}"));
        assert!(event.as_object().is_some_and(|event| event.keys().all(|key| named.contains_key(key))), "{line}");
        kind
    });
    kinds.collect()
}
