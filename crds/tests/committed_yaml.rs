//! The committed YAML under `crds/yaml` is what the types say. `make crds` (UPDATE_CRDS=1) rewrites it.

use kube::ResourceExt;
use std::fs;
use std::path::Path;

#[test]
fn committed_yaml_is_never_older_than_the_types() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("yaml");
    for crd in raidc_crds::all() {
        let path = folder.join(format!("{}.yaml", crd.name_any()));
        let want = serde_saphyr::to_string(&crd).expect("a CRD is plain data");
        if std::env::var_os("UPDATE_CRDS").is_some() {
            fs::write(&path, &want).expect("crds/yaml can be written");
        }
        let have = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(have, want, "{} is stale: run `make crds`", path.display());
    }
}
