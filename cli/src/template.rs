//! CloudFormation templates, read into JSON: the short forms (`!Ref x`, `!GetAtt a.b`, `!Sub ...`) become the long ones
//! (`{"Ref": "x"}`, `{"Fn::GetAtt": ["a", "b"]}`), which mean the same to CloudFormation.
//!
//! Deliberately absent: evaluating any of them.

use std::path::Path;

use anyhow::{Context as _, bail};
use saphyr::{LoadableYamlNode as _, Scalar, Yaml};
use serde_json::{Map, Number, Value, json};

/// A template.
#[derive(Clone, Debug)]
pub struct Template {
    pub value: Value,
}

/// An `AWS::Serverless::Function` of a template.
#[derive(Clone, Copy, Debug)]
pub struct Function<'t> {
    /// Its logical id.
    pub id: &'t str,
    /// The binary that it runs: `BuildProperties.Binary` of its metadata.
    pub binary: Option<&'t str>,
    pub properties: &'t Value,
}

impl Template {
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} is not a template", path.display()))
    }

    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let documents = Yaml::load_from_str(text)?;
        let [document] = documents.as_slice() else { bail!("it has {} documents instead of one", documents.len()) };
        let value = json_of(document)?;
        if !value["Resources"].is_object() {
            bail!("it has no Resources");
        }
        Ok(Self { value })
    }

    /// Its functions, by their ids.
    pub fn functions(&self) -> Vec<Function<'_>> {
        let resources = self.value["Resources"].as_object().into_iter().flatten();
        let functions = resources.filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function");
        functions
            .map(|(id, resource)| Function {
                id,
                binary: resource["Metadata"]["BuildProperties"]["Binary"].as_str(),
                properties: &resource["Properties"],
            })
            .collect()
    }

    /// How many invocations its functions reserve together, when they do: `ReservedConcurrentExecutions`, which may depend on a
    /// condition.
    pub fn reserved(&self) -> anyhow::Result<i32> {
        let of = |function: Function<'_>| {
            let value = &function.properties["ReservedConcurrentExecutions"];
            let number = value.as_i64().or_else(|| value["Fn::If"][1].as_i64());
            let number = if value.is_null() { Some(0) } else { number };
            let number = number.and_then(|number| i32::try_from(number).ok());
            number.with_context(|| format!("the ReservedConcurrentExecutions of {} is no number", function.id))
        };
        self.functions().into_iter().map(of).sum()
    }

    /// The names of its parameters, with what it says of each.
    pub fn parameters(&self) -> Vec<(&str, &Value)> {
        let parameters = self.value["Parameters"].as_object().into_iter().flatten();
        parameters.map(|(name, parameter)| (name.as_str(), parameter)).collect()
    }
}

fn json_of(yaml: &Yaml<'_>) -> anyhow::Result<Value> {
    Ok(match yaml {
        Yaml::Value(scalar) => match scalar {
            Scalar::Null => Value::Null,
            Scalar::Boolean(value) => Value::Bool(*value),
            Scalar::Integer(value) => json!(value),
            Scalar::FloatingPoint(value) => Number::from_f64(value.into_inner())
                .map(Value::Number)
                .context("it has a number that JSON cannot hold")?,
            Scalar::String(text) => json!(text),
        },
        Yaml::Representation(text, ..) => json!(text),
        Yaml::Sequence(items) => Value::Array(items.iter().map(json_of).collect::<anyhow::Result<_>>()?),
        Yaml::Mapping(pairs) => {
            let pair = |(key, value): (&Yaml<'_>, &Yaml<'_>)| match json_of(key)? {
                Value::String(key) => Ok((key, json_of(value)?)),
                // A port, an account: keys are texts in JSON.
                Value::Number(key) => Ok((key.to_string(), json_of(value)?)),
                other => bail!("it has a key that is no text: {other}"),
            };
            Value::Object(pairs.iter().map(pair).collect::<anyhow::Result<Map<_, _>>>()?)
        }
        Yaml::Tagged(tag, inner) => long_form(&tag.suffix, json_of(inner)?)?,
        Yaml::Alias(_) | Yaml::BadValue => bail!("it has a value that cannot be read"),
    })
}

fn long_form(tag: &str, value: Value) -> anyhow::Result<Value> {
    let (name, value) = match tag {
        "Ref" | "Condition" => (tag.to_owned(), value),
        // The dot before the attribute is the first one: an attribute may have dots itself.
        "GetAtt" => match value.as_str().map(|text| text.split_once('.')) {
            Some(Some((resource, attribute))) => ("Fn::GetAtt".into(), json!([resource, attribute])),
            Some(None) => bail!("!GetAtt {value} names no attribute"),
            None => ("Fn::GetAtt".into(), value),
        },
        "And" | "Base64" | "Cidr" | "Equals" | "FindInMap" | "ForEach" | "GetAZs" | "If" | "ImportValue" | "Join"
        | "Length" | "Not" | "Or" | "Select" | "Split" | "Sub" | "ToJsonString" | "Transform" => {
            (format!("Fn::{tag}"), value)
        }
        other => bail!("!{other} is no short form that CloudFormation has"),
    };
    Ok(Value::Object(Map::from_iter([(name, value)])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(yaml: &str) -> anyhow::Result<Value> {
        let text = format!("Resources:\n  A:\n    Properties:\n      X: {yaml}\n");
        Ok(Template::parse(&text)?.value["Resources"]["A"]["Properties"]["X"].take())
    }

    #[test]
    fn short_forms_become_long_ones() {
        for (yaml, expected) in [
            ("!Ref Stage", json!({"Ref": "Stage"})),
            ("!GetAtt Network.Outputs.SubnetIds", json!({"Fn::GetAtt": ["Network", "Outputs.SubnetIds"]})),
            ("!GetAtt [A, B]", json!({"Fn::GetAtt": ["A", "B"]})),
            ("!Sub '${AWS::Region}-x'", json!({"Fn::Sub": "${AWS::Region}-x"})),
            ("!If [C, !Ref A, !Ref AWS::NoValue]", json!({"Fn::If": ["C", {"Ref": "A"}, {"Ref": "AWS::NoValue"}]})),
            ("!Not [!Equals [!Ref A, '']]", json!({"Fn::Not": [{"Fn::Equals": [{"Ref": "A"}, ""]}]})),
            ("{Condition: C}", json!({"Condition": "C"})),
            ("!Join ['', [a, !GetAZs '']]", json!({"Fn::Join": ["", ["a", {"Fn::GetAZs": ""}]]})),
        ] {
            assert_eq!(value(yaml).unwrap(), expected, "{yaml}");
        }
        assert!(value("!Reff A").is_err() && value("!GetAtt A").is_err());
    }

    #[test]
    fn scalars_keep_their_kind() {
        for (yaml, expected) in [
            ("'2010-09-09'", json!("2010-09-09")),
            ("'18'", json!("18")),
            ("30", json!(30)),
            ("true", json!(true)),
            ("'true'", json!("true")),
            ("1.5", json!(1.5)),
            ("yes", json!("yes")),
            ("", Value::Null),
            (">-\n        a\n        b", json!("a b")),
        ] {
            assert_eq!(value(yaml).unwrap(), expected, "{yaml}");
        }
    }

    #[test]
    fn what_functions_reserve_is_added_up() {
        let of = |values: [&str; 2]| {
            let function = |(id, value): (usize, &str)| {
                format!("  F{id}:\n    Type: AWS::Serverless::Function\n    Properties: {{{value}}}\n")
            };
            let functions: String = values.into_iter().enumerate().map(function).collect();
            Template::parse(&format!("Resources:\n{functions}")).unwrap().reserved()
        };
        let (plain, conditional) =
            ("ReservedConcurrentExecutions: 3", "ReservedConcurrentExecutions: !If [R, 25, !Ref AWS::NoValue]");
        assert_eq!(of([plain, conditional]).unwrap(), 28);
        assert_eq!(of([plain, "Timeout: 5"]).unwrap(), 3);
        assert!(of([plain, "ReservedConcurrentExecutions: !Ref N"]).unwrap_err().to_string().contains("F1"));
        let own = Template::parse(include_str!("../../template.yaml")).unwrap();
        assert!(own.reserved().unwrap() > 40);
    }

    #[test]
    fn functions_and_parameters_are_found() {
        let text = "Parameters:\n  P: {Type: String}\nResources:\n  F:\n    Type: AWS::Serverless::Function\n    Metadata:\n      \
                    BuildMethod: rust-cargolambda\n      BuildProperties: {Binary: worker}\n    Properties: {Timeout: 5}\n  \
                    Q:\n    Type: AWS::SQS::Queue\n";
        let template = Template::parse(text).unwrap();
        let [function] = template.functions()[..] else { panic!("one function") };
        assert_eq!((function.id, function.binary, &function.properties["Timeout"]), ("F", Some("worker"), &json!(5)));
        assert_eq!(template.parameters()[0].0, "P");
        for text in ["", "a: 1", "Resources: [", "Resources: {}\n---\nResources: {}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
