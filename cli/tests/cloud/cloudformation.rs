//! CloudFormation, as far as `solo` asks of it: one stack, scripted, in the XML that the real one answers with.

use std::{collections::BTreeMap, fmt::Write as _};

/// The stack, and what was asked.
#[derive(Clone, Debug, Default)]
pub struct Stack {
    pub name: String,
    /// `None`: there is no stack.
    pub status: Option<String>,
    pub outputs: BTreeMap<String, String>,
    pub parameters: BTreeMap<String, String>,
    /// Physical ids of the aliases.
    pub aliases: Vec<String>,
    /// Physical ids of the versions that the stack holds.
    pub versions: Vec<String>,
    /// What a change set of the stack, and of those nested in it, holds: XML members of `Changes`.
    pub changes: BTreeMap<String, String>,
    /// Every action with its form, in order.
    pub asked: Vec<(String, BTreeMap<String, String>)>,
}

/// One change of a change set, as XML.
pub fn change(action: &str, logical: &str, kind: &str, replacement: &str, nested: Option<&str>) -> String {
    let nested = nested.map(|id| format!("<ChangeSetId>{id}</ChangeSetId>")).unwrap_or_default();
    let replacement =
        if replacement.is_empty() { String::new() } else { format!("<Replacement>{replacement}</Replacement>") };
    format!(
        "<member><Type>Resource</Type><ResourceChange><Action>{action}</Action><LogicalResourceId>{logical}\
         </LogicalResourceId><ResourceType>{kind}</ResourceType>{replacement}{nested}</ResourceChange></member>"
    )
}

impl Stack {
    pub fn count(&self, action: &str) -> usize {
        self.asked.iter().filter(|(asked, _)| asked == action).count()
    }

    pub fn form_of(&self, action: &str) -> BTreeMap<String, String> {
        self.asked.iter().find(|(asked, _)| asked == action).map(|(_, form)| form.clone()).unwrap_or_default()
    }

    /// Status and body.
    pub fn answer(&mut self, form: &BTreeMap<String, String>) -> (u16, String) {
        let action = form["Action"].clone();
        self.asked.push((action.clone(), form.clone()));
        let result = match action.as_str() {
            "DescribeStacks" => match &self.status {
                None => return error("ValidationError", &format!("Stack with id {} does not exist", self.name)),
                Some(status) => self.describe(status),
            },
            "ListStackResources" => {
                let one = |(kind, arn): (&str, &String)| {
                    format!(
                        "<member><ResourceType>AWS::Lambda::{kind}</ResourceType><PhysicalResourceId>{arn}\
                         </PhysicalResourceId><LogicalResourceId>A</LogicalResourceId><ResourceStatus>CREATE_COMPLETE\
                         </ResourceStatus><LastUpdatedTimestamp>2026-11-22T00:00:00Z</LastUpdatedTimestamp></member>"
                    )
                };
                let aliases = self.aliases.iter().map(|arn| ("Alias", arn));
                let versions = self.versions.iter().map(|arn| ("Version", arn));
                let members: String = aliases.chain(versions).map(one).collect();
                format!("<StackResourceSummaries>{members}</StackResourceSummaries>")
            }
            "CreateChangeSet" => "<Id>root-set</Id><StackId>s</StackId>".into(),
            "DescribeChangeSet" => {
                let set = &form["ChangeSetName"];
                let changes = self.changes.get(set).cloned().unwrap_or_default();
                let (status, reason) = if changes.is_empty() {
                    ("FAILED", "The submitted information didn't contain changes.")
                } else {
                    ("CREATE_COMPLETE", "")
                };
                format!(
                    "<ChangeSetId>{set}</ChangeSetId><StackName>{}</StackName><Status>{status}</Status>\
                     <StatusReason>{reason}</StatusReason><Changes>{changes}</Changes>",
                    if set == "root-set" { self.name.clone() } else { format!("{}-{set}", self.name) }
                )
            }
            "DeleteChangeSet" => String::new(),
            "UpdateStack" => {
                let given = |index: usize, part: &str| form.get(&format!("Parameters.member.{index}.{part}"));
                for index in 1..40 {
                    if let (Some(key), Some(value)) = (given(index, "ParameterKey"), given(index, "ParameterValue")) {
                        self.parameters.insert(key.clone(), value.clone());
                    }
                }
                self.status = Some("UPDATE_COMPLETE".into());
                "<StackId>s</StackId>".into()
            }
            "DeleteStack" => {
                self.status = None;
                String::new()
            }
            other => return error("InvalidAction", &format!("{other} is not scripted")),
        };
        (200, format!("<{action}Response><{action}Result>{result}</{action}Result></{action}Response>"))
    }

    fn describe(&self, status: &str) -> String {
        let mut inner = String::new();
        for (key, value) in &self.outputs {
            let _ = write!(inner, "<member><OutputKey>{key}</OutputKey><OutputValue>{value}</OutputValue></member>");
        }
        let mut parameters = String::new();
        for (key, value) in &self.parameters {
            let _ = write!(
                parameters,
                "<member><ParameterKey>{key}</ParameterKey><ParameterValue>{value}</ParameterValue></member>"
            );
        }
        format!(
            "<Stacks><member><StackName>{}</StackName><StackId>s</StackId><StackStatus>{status}</StackStatus>\
             <CreationTime>2026-11-22T00:00:00Z</CreationTime><Outputs>{inner}</Outputs>\
             <Parameters>{parameters}</Parameters></member></Stacks>",
            self.name
        )
    }
}

fn error(code: &str, message: &str) -> (u16, String) {
    (400, format!("<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"))
}
