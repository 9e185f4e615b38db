//! The latency lab as a user runs it, with a few samples of every experiment that needs no model.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn lab(arguments: &[&str]) -> (bool, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_voxlane-bench")).arg("lab").args(arguments).output().unwrap();
    let text =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.success(), text)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_run_leaves_a_report_that_can_be_read_compared_and_gated() {
    let folder = tempfile::tempdir().unwrap();
    let two_cores = voxlane_runtime::host::allowed_cores().is_some_and(|cores| cores.len() > 1);
    // With one core there is nobody to send a message to.
    let experiments: &[&str] = if two_cores {
        &["hiccup", "rings", "pipeline", "kernels"]
    } else {
        &["hiccup", "pipeline", "kernels"]
    };
    let only = experiments.join(",");
    let (succeeded, said) = lab(&["--touch", "--only", &only, "--out", text(folder.path())]);
    assert!(succeeded, "{said}");

    let path = folder.path().join("report.json");
    let report: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let ran: Vec<&str> = report["experiments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|outcome| outcome["name"].as_str().unwrap())
        .collect();
    assert_eq!(ran, experiments);
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(
        page.contains("<svg") && page.contains("perf_event_paranoid"),
        "no plot or no machine in the page"
    );
    assert!(
        !page.contains("src=\"") && !page.contains("http://") || page.contains("http://www.w3.org"),
        "the page needs others"
    );
    assert!(folder.path().join("hlog/hiccup.hlog").is_file());

    // A run against itself is no regression.
    let html = folder.path().join("compare.html");
    let (succeeded, said) = lab(&["compare", text(&path), text(&path), "--html", text(&html)]);
    assert!(succeeded && said.contains("B/A p50") && html.is_file(), "{said}");
    let (succeeded, said) = lab(&["gate", text(&path), "--report", text(&path)]);
    assert!(succeeded && said.contains("pass  kernels/int8"), "{said}");

    // Against a baseline that was much faster it is one.
    let mut faster = report.clone();
    for outcome in faster["experiments"].as_array_mut().unwrap() {
        for figure in outcome["figures"].as_array_mut().unwrap() {
            figure["value"] = (figure["value"].as_f64().unwrap() / 10.0).into();
        }
    }
    let baseline = folder.path().join("faster.json");
    std::fs::write(&baseline, faster.to_string()).unwrap();
    let (succeeded, said) = lab(&["gate", text(&baseline), "--report", text(&path)]);
    assert!(!succeeded && said.contains("FAIL"), "{said}");
}

#[test]
fn an_unknown_experiment_is_named() {
    let (succeeded, said) = lab(&["--touch", "--only", "wishes"]);
    assert!(!succeeded && said.contains("wishes") && said.contains("hiccup"), "{said}");
}
