//! The committed YAML under `crds/yaml` is what the types say. `make crds` (UPDATE_CRDS=1) rewrites it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const HEADER: &str = "# Made from crds/src by `make crds`; do not edit.\n";

#[test]
fn committed_yaml_is_never_older_than_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("yaml");
    let mut names = BTreeSet::new();
    for (name, document) in raidc_crds::documents() {
        let path = folder.join(format!("{name}.yaml"));
        let want = format!(
            "{HEADER}{}",
            serde_saphyr::to_string(&document).expect("a CRD is plain data")
        );
        if std::env::var_os("UPDATE_CRDS").is_some() {
            fs::write(&path, &want).expect("crds/yaml can be written");
        }
        let have = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(have, want, "{} is stale: run `make crds`", path.display());
        names.insert(format!("{name}.yaml"));
    }
    let committed: BTreeSet<_> = fs::read_dir(&folder)
        .expect("crds/yaml can be read")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(committed, names, "crds/yaml holds files of kinds that are gone");
}
