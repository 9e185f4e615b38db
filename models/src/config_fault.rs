//! What can be wrong with the sizes that a file states.

/// A size that a network cannot have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} = {value}: must be {rule}")]
pub struct ConfigFault {
    /// The field of the configuration.
    pub field: &'static str,
    /// Its value.
    pub value: String,
    /// What is allowed.
    pub rule: String,
}
