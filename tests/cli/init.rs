//! `plimsoll init` writes what `check --strict` and `test` have nothing against, and
//! `plimsoll schema` prints what it points editors to.

use std::fs;

use serde_json::Value as Json;

use crate::{Ran, run, run_with_input};

#[test]
fn what_it_writes_is_good() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("shop/policies");
    let folder = folder.to_str().unwrap();
    let Ran { code, out, err } = run(&["init", folder]);
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.contains(&format!("plimsoll check --strict {folder}")), "{out}");
    let served = format!("PLIMSOLL_DEFAULT_POLICY=starter plimsoll serve --policies {folder}");
    assert!(out.contains(&served), "{out}");
    assert!(out.contains("whose `identity` says who a request is about"), "{out}");
    let asked = out.lines().find_map(|line| line.trim().strip_prefix("echo '")).unwrap();
    let asked = asked.strip_suffix("' |").unwrap();
    let explain = ["explain", "--policies", folder, "--request", "-"];
    assert!(out.contains(&format!("plimsoll {}", explain.join(" "))), "{out}");
    let policy = fs::read_to_string(format!("{folder}/policy.yaml")).unwrap();
    assert!(policy.contains("metadata: {name: starter,"), "{policy}");

    let Ran { code, out, err } = run(&["check", "--strict", folder]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let Ran { code, out, err } = run(&["test", folder]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("3 passed, 0 failed"), "{out}");

    let Ran { code, out, err } = run_with_input(&explain, asked);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("deny by default, as no rule allows it"), "{out}");

    let Ran { code, out: schema, .. } = run(&["schema"]);
    assert_eq!(code, Some(0));
    for name in ["catalog.yaml", "policy.yaml", "tests.yaml"] {
        let text = fs::read_to_string(format!("{folder}/{name}")).unwrap();
        let first = text.lines().next().unwrap();
        let points = first.strip_prefix("# yaml-language-server: $schema=").unwrap();
        assert_eq!(fs::read_to_string(format!("{folder}/{points}")).unwrap(), schema);
    }
}

#[test]
fn nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("policy.yaml"), "mine").unwrap();
    let Ran { code, out, err } = run(&["init", folder.path().to_str().unwrap()]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("policy.yaml` is already there, and nothing is overwritten"), "{err}");
    assert_eq!(fs::read_to_string(folder.path().join("policy.yaml")).unwrap(), "mine");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else was written");
}

#[test]
fn a_schema_of_one_kind() {
    for (word, kind) in
        [("catalog", "Catalog"), ("trust-policy", "TrustPolicy"), ("policy-test", "PolicyTest")]
    {
        let Ran { code, out, .. } = run(&["schema", word]);
        assert_eq!(code, Some(0));
        let schema: Json = serde_json::from_str(&out).unwrap();
        assert_eq!(schema["properties"]["kind"]["enum"], serde_json::json!([kind]));
    }
}
