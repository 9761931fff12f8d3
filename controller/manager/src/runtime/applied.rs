//! A mark on what we applied: a digest of the whole body, kept in an annotation of the object itself. No I/O.
//!
//! Server-side apply takes away a field that an earlier body of ours had and this one leaves out, but only when it is sent. The live
//! object alone does not tell who set such a field; the mark tells that the last body was another one. An object without the mark, or
//! with one of another version of ours, is applied once.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Annotation with the digest of the body that was last applied. It is no secret and no proof: whoever changes it causes one write.
pub const APPLIED_ANNOTATION: &str = "raidc.dev/applied";

/// Puts the digest of `body` into its own annotations. Never on a pod's template: that would restart what runs.
pub(super) fn mark(body: &mut Value) {
    // Keys of a JSON map are sorted here, so that the same body always has the same text.
    let hash = Sha256::digest(body.to_string());
    let short = hash
        .iter()
        .take(8)
        .fold(0_u64, |all, byte| (all << 8) | u64::from(*byte));
    let annotations = &mut body["metadata"]["annotations"];
    if !annotations.is_object() {
        *annotations = json!({});
    }
    annotations[APPLIED_ANNOTATION] = Value::from(format!("{short:016x}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(mut body: Value) -> String {
        mark(&mut body);
        body["metadata"]["annotations"][APPLIED_ANNOTATION]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    #[test]
    fn a_body_that_leaves_something_out_never_has_the_same_mark() {
        let all = marked(json!({"metadata": {"name": "a", "annotations": {"x": "1"}}, "spec": {"apart": 1}}));
        assert_eq!(all.len(), 16);
        assert_ne!(
            all,
            marked(json!({"metadata": {"name": "a", "annotations": {"x": "1"}}, "spec": {}}))
        );
        assert_ne!(
            all,
            marked(json!({"metadata": {"name": "a"}, "spec": {"apart": 1}}))
        );
        assert_eq!(
            all,
            marked(json!({"spec": {"apart": 1}, "metadata": {"annotations": {"x": "1"}, "name": "a"}})),
            "order is no change"
        );
    }
}
