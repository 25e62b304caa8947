//! The versions of a type's first-party form: which there are, which are going away, and what each looks like.

use jiff::{Timestamp, civil::Date};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use super::{Decoded, Envelope, Event, FIRST_PARTY, FieldError, InvalidPayload, form};

/// The shape of the data in one version, as clients of `POST /events` send it. Its fields' types read exactly what their
/// schemas allow ([`super::Id`], [`super::Moment`], [`super::Cents`], ...); the contract tests in `app/tests` hold it to that.
pub trait Form: DeserializeOwned + Serialize + JsonSchema + 'static {
    /// A realistic value with every field filled in. `unique` makes its ids new. It is what `solo send` sends, the example
    /// in the schema, and what stands in for a wrong field while the next one is looked for.
    fn sample(unique: Uuid, now: Timestamp) -> Self;
}

/// One version of the type `E`, and how its form becomes an `E`.
pub struct Version<E> {
    contract: Contract,
    read: fn(&Value) -> Result<E, InvalidPayload>,
}

/// What clients may know of a version.
#[derive(Clone, Copy, Debug)]
pub struct Contract {
    pub number: u16,
    pub deprecation: Option<Deprecation>,
    schema: fn() -> Value,
    sample: fn(Uuid, Timestamp) -> serde_json::Result<Value>,
}

/// A version that is still taken, with a warning in the log for each event. Taking it out of the list is the founder's
/// decision, when the log has become silent; no date does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deprecation {
    pub since: Date,
    /// Clients are asked to have moved by then.
    pub until: Date,
}

impl<E> Version<E> {
    /// Version `number` looks like `F`, which is upcast by its `Into<E>`.
    pub const fn of<F: Form + Into<E>>(number: u16) -> Self {
        Self {
            contract: Contract {
                number,
                deprecation: None,
                schema: schema_of::<F>,
                sample: |unique, now| serde_json::to_value(F::sample(unique, now)),
            },
            read: |data| form::read::<F>(data).map(Into::into),
        }
    }

    #[must_use]
    pub const fn deprecated(mut self, since: Date, until: Date) -> Self {
        self.contract.deprecation = Some(Deprecation { since, until });
        self
    }
}

impl Contract {
    /// The JSON Schema (2020-12) of the data, without what the type's name adds.
    pub fn schema(&self) -> Value {
        (self.schema)()
    }

    /// See [`Form::sample`].
    pub fn sample(&self, unique: Uuid, now: Timestamp) -> serde_json::Result<Value> {
        (self.sample)(unique, now)
    }
}

/// The number of the newest version, 1 if there is none. A list that is not in ascending order does not compile.
pub(super) const fn newest<E>(versions: &[Version<E>]) -> u16 {
    let (mut newest, mut index) = (0, 0);
    while index < versions.len() {
        assert!(versions[index].contract.number > newest, "the oldest version comes first, and they count from 1");
        newest = versions[index].contract.number;
        index += 1;
    }
    if newest == 0 { 1 } else { newest }
}

/// What clients may send of the type `E`, oldest first.
pub(crate) fn contracts<E: Event>() -> Vec<Contract> {
    const { assert!(newest(E::VERSIONS) > 0) };
    E::VERSIONS.iter().map(|version| version.contract).collect()
}

/// Reads a first-party event of any version that is still taken.
pub(super) fn read<E: Event>(envelope: &Envelope) -> Result<Decoded<E>, InvalidPayload> {
    let source = &envelope.source;
    if source != FIRST_PARTY {
        let problem = format!("{source} sends no {}", envelope.event_type);
        return Err(InvalidPayload::of(FieldError::new("", &problem)));
    }
    let version = E::VERSIONS.iter().find(|version| version.contract.number == envelope.version);
    let version = version.ok_or_else(|| envelope.unsupported_version(E::VERSION))?;
    let event = (version.read)(&envelope.data)?;
    if let Some(Deprecation { since, until }) = version.contract.deprecation {
        let (event_type, number, newest) = (&envelope.event_type, envelope.version, E::VERSION);
        tracing::warn!(event_type, version = number, source, newest, %since, %until, "a deprecated version was sent");
    }
    Ok(Decoded::Event(event))
}

fn schema_of<F: Form>() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<F>().to_value()
}
