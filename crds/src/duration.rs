//! Durations as people write them: `15m`, `90d`, `1h30m`. No I/O.

use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use schemars::json_schema;
use serde::Deserialize;
use serde::Serialize;

/// A length of time: whole numbers with `d`, `h`, `m` or `s`, largest first, such as `15m`, `90d` or `1h30m`. A day is 24 hours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(pub String);

/// The text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotADuration(pub String);

impl std::fmt::Display for NotADuration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "\"{}\" is not a duration: write whole numbers with d, h, m or s, such as 15m or 90d",
            self.0
        )
    }
}

impl std::error::Error for NotADuration {}

impl Duration {
    /// The length in seconds.
    ///
    /// # Errors
    /// When the text is not a duration, or longer than `i64` seconds. The API server's schema refuses the first; objects that
    /// predate the schema may still hold it.
    pub fn seconds(&self) -> Result<i64, NotADuration> {
        let wrong = || NotADuration(self.0.clone());
        let mut total = 0_i64;
        let mut number = None::<i64>;
        let mut smallest = i64::MAX;
        for c in self.0.chars() {
            if let Some(digit) = c.to_digit(10) {
                let so_far = number.unwrap_or(0);
                number = Some(
                    so_far
                        .checked_mul(10)
                        .and_then(|n| n.checked_add(i64::from(digit)))
                        .ok_or_else(wrong)?,
                );
                continue;
            }
            let unit = match c {
                'd' => 86_400,
                'h' => 3_600,
                'm' => 60,
                's' => 1,
                _ => return Err(wrong()),
            };
            if unit >= smallest {
                return Err(wrong());
            }
            smallest = unit;
            let part = number
                .take()
                .and_then(|n| n.checked_mul(unit))
                .ok_or_else(wrong)?;
            total = total.checked_add(part).ok_or_else(wrong)?;
        }
        if number.is_some() || self.0.is_empty() {
            Err(wrong())
        } else {
            Ok(total)
        }
    }
}

impl std::fmt::Display for Duration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": 20,
            "minLength": 2,
            "pattern": "^([0-9]{1,5}d)?([0-9]{1,6}h)?([0-9]{1,7}m)?([0-9]{1,8}s)?$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> Option<i64> {
        Duration(text.to_owned()).seconds().ok()
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, want) in [
            ("0s", 0),
            ("45s", 45),
            ("15m", 900),
            ("1h30m", 5_400),
            ("90d", 7_776_000),
            ("1d1h1m1s", 90_061),
            ("99999d", 8_639_913_600),
        ] {
            assert_eq!(seconds(text), Some(want), "{text}");
        }
    }

    #[test]
    fn nothing_else_passes_for_a_duration() {
        let bad = [
            "",
            "d",
            "15",
            "m15",
            "15 m",
            "15M",
            "-15m",
            "1.5h",
            "30m1h",
            "1h1h",
            "15m ",
            "15ms",
            "1w",
            "１５m",
            "99999999999999999999d",
            "9223372036854775807d",
            "9223372036854775807s1s",
        ];
        for text in bad {
            assert_eq!(seconds(text), None, "{text}");
        }
    }

    #[test]
    fn an_error_never_hides_what_was_written() {
        let error = Duration("soon".to_owned()).seconds().expect_err("no duration");
        assert_eq!(
            error.to_string(),
            "\"soon\" is not a duration: write whole numbers with d, h, m or s, such as 15m or 90d"
        );
    }
}
