//! Amounts of memory and storage as Kubernetes writes them: `16Gi`, `20Ti`. No I/O.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
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
        let per_mib = i128::from(MIB) * 1000;
        let milli = milli(&self.0).filter(|m| (0..=i128::from(i64::MAX) * 1000).contains(m));
        let mib = milli.and_then(|m| i64::try_from((m + per_mib - 1) / per_mib).ok());
        mib.ok_or_else(|| NotAQuantity(self.0.clone()))
    }

    /// The same amount as the Kubernetes API writes it.
    #[must_use]
    pub fn to_api(&self) -> ApiQuantity {
        ApiQuantity(self.0.clone())
    }
}

/// Any quantity of the Kubernetes API in thousandths, rounded up: `1.5Gi` of bytes, `250m` of cores, `2e3`. `None` when the text is no
/// quantity or too large to count.
#[must_use]
pub fn milli(text: &str) -> Option<i128> {
    let (sign, rest) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (if text.starts_with('-') { -1 } else { 1 }, rest),
        None => (1, text),
    };
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || fraction.contains('.') {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (binary, decimal) = scale(suffix)?;
    let power = decimal + 3 - i32::try_from(fraction.len()).ok()?;
    let tens = 10_i128.checked_pow(power.unsigned_abs())?;
    let value = (sign * digits).checked_mul(1024_i128.checked_pow(binary)?)?;
    if power >= 0 {
        return value.checked_mul(tens);
    }
    Some(value.div_euclid(tens) + i128::from(value.rem_euclid(tens) != 0))
}

/// What a suffix multiplies by: a power of 1024 and a power of ten.
fn scale(suffix: &str) -> Option<(u32, i32)> {
    let scale = match suffix {
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "" => (0, 0),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (1, 0),
        "Mi" => (2, 0),
        "Gi" => (3, 0),
        "Ti" => (4, 0),
        "Pi" => (5, 0),
        "Ei" => (6, 0),
        _ => (0, suffix.strip_prefix(['e', 'E'])?.parse::<i8>().ok()?.into()),
    };
    Some(scale)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn mib(text: &str) -> Option<i64> {
        Quantity(text.to_owned()).mib().ok()
    }

    #[test]
    fn amounts_are_read_as_kubernetes_reads_them() {
        for (text, want) in [
            ("0", 0),
            ("1", 1),
            ("1Mi", 1),
            ("1048577", 2),
            ("1Ki", 1),
            ("512Mi", 512),
            ("16Gi", 16_384),
            ("1.5Gi", 1_536),
            ("1G", 954),
            ("20Ti", 20_971_520),
            ("1Pi", 1_073_741_824),
        ] {
            assert_eq!(mib(text), Some(want), "{text}");
        }
    }

    #[test]
    fn nothing_else_passes_for_an_amount() {
        for text in [
            "",
            "lots",
            "-1",
            "-1Gi",
            "16 Gi",
            "16GB",
            "Gi",
            "1,5Gi",
            "0x10",
            "99999999999999999999Pi",
            "10E",
        ] {
            assert_eq!(mib(text), None, "{text}");
        }
    }

    #[test]
    fn a_fraction_is_never_dropped() {
        for (text, want) in [
            ("1.5", 1_500),
            ("250m", 250),
            ("-250m", -250),
            ("1n", 1),
            ("+2e3", 2_000_000),
            ("5E-3", 5),
            (".5", 500),
            ("2.", 2_000),
            ("1E", 1_000_000_000_000_000_000_000),
            ("31900m", 31_900),
            ("263856000Ki", 270_188_544_000_000),
        ] {
            assert_eq!(milli(text), Some(want), "{text}");
        }
        for text in [
            "",
            ".",
            "m",
            "e3",
            "1e",
            "1.2.3",
            "1mi",
            "--1",
            "1 m",
            "1e999",
            "9999999999999999999999999999999999999999",
        ] {
            assert_eq!(milli(text), None, "{text}");
        }
    }

    #[test]
    fn the_users_spelling_is_never_changed() {
        for written in [r#""1024Mi""#, r#""1Gi""#, r#""1.50Gi""#] {
            let read: Quantity = serde_json::from_str(written).expect("an amount");
            assert_eq!(serde_json::to_string(&read).expect("plain data"), written);
        }
        let number: Quantity = serde_json::from_str("1048576").expect("bytes");
        assert_eq!(number.mib(), Ok(1));
    }

    #[test]
    fn an_error_never_hides_what_was_written() {
        let error = Quantity("16GB".to_owned()).mib().expect_err("no amount");
        assert!(
            error
                .to_string()
                .starts_with("\"16GB\" is not an amount of bytes"),
            "{error}"
        );
    }
}
