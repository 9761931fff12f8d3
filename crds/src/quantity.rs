//! Amounts of memory and storage as Kubernetes writes them: `16Gi`, `20Ti`. No I/O.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use kube_quantity::ParsedQuantity;
use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use schemars::json_schema;
use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;

/// Bytes in one MiB, the unit in which RAIDC counts memory and storage.
pub const MIB: i64 = 1024 * 1024;

/// An amount of bytes in Kubernetes' notation, such as `512Mi`, `16Gi` or `20Ti`. The user's spelling is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Quantity(pub String);

/// The text is not an amount of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAQuantity(pub String);

impl std::fmt::Display for NotAQuantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "\"{}\" is not an amount of bytes: write a number with Mi, Gi or Ti, such as 16Gi",
            self.0
        )
    }
}

impl std::error::Error for NotAQuantity {}

impl Quantity {
    /// The amount in MiB, rounded up so that a part of a MiB is never promised twice.
    ///
    /// # Errors
    /// When the text is not a non-negative amount that fits 63 bits of bytes.
    pub fn mib(&self) -> Result<i64, NotAQuantity> {
        let wrong = || NotAQuantity(self.0.clone());
        let parsed = ParsedQuantity::try_from(ApiQuantity(self.0.clone())).map_err(|_| wrong())?;
        let bytes = parsed.to_bytes_i128().ok_or_else(wrong)?;
        let bytes = i64::try_from(bytes).map_err(|_| wrong())?;
        if bytes < 0 {
            return Err(wrong());
        }
        Ok(bytes / MIB + i64::from(bytes % MIB != 0))
    }

    /// The same amount as the Kubernetes API writes it.
    #[must_use]
    pub fn to_api(&self) -> ApiQuantity {
        ApiQuantity(self.0.clone())
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Number(i64),
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Text(text) => Self(text),
            Written::Number(bytes) => Self(bytes.to_string()),
        })
    }
}

impl JsonSchema for Quantity {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "x-kubernetes-int-or-string": true,
            "maxLength": 20,
            "minimum": 0,
            "pattern": "^[0-9]+(\\.[0-9]{1,3})?(Ki|Mi|Gi|Ti|Pi|k|M|G|T|P)?$",
        })
    }
}
