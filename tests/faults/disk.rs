//! A disk that is full: a clear error, exit 3, and the next run completes.

use crate::scene::{Scene, State, undisturbed};
use std::path::{Path, PathBuf};
use std::process::Command;
use tonnage_tests::program::{Ended, command, run};
use tonnage_tests::{aloud, skip};

/// A small file system in memory; taken away when dropped.
struct Small {
    at: PathBuf,
}

impl Small {
    fn mount(at: &Path, kilobytes: u32) -> Option<Small> {
        std::fs::create_dir_all(at).expect("a writable folder");
        let size = format!("size={kilobytes}k");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(at)
            .output();
        status
            .is_ok_and(|output| output.status.success())
            .then(|| Small { at: at.to_owned() })
    }

    fn grow(&self) {
        let status = Command::new("mount")
            .args(["-o", "remount,size=256m"])
            .arg(&self.at)
            .status();
        assert!(status.is_ok_and(|status| status.success()), "a file system can grow");
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // the folder around it goes with the test
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

fn says_full(ended: &Ended) {
    let said = ended.err.to_lowercase();
    let full = [
        "no space left",
        "file too large",
        "disk is full",
        "disk full",
        "disk i/o error",
    ];
    assert!(
        full.iter().any(|words| said.contains(words)),
        "not a word about the disk in: {}",
        ended.err
    );
    assert!(!said.contains("panicked"), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_an_error_and_the_next_run_completes() {
    let scene = Scene::new();
    let (expected, _) = undisturbed(&scene).await;
    let mut refused = 0;
    let sizes = [64, 320, 640, 1024, 1536, 2048, 3072];
    let rules = ["rules", "apply", &scene.rules];
    let (bill, usage) = (scene.ingest(), scene.ingest_usage());
    let steps = [&rules[..], &bill, &usage, &["allocate"]];
    for kilobytes in sizes {
        let at = scene.folder(&format!("disk-{kilobytes}"));
        let Some(disk) = Small::mount(&at, kilobytes) else {
            skip("the full disk: a tmpfs can be mounted by root only; the limit on file sizes is tested instead");
            return;
        };
        let data = at.join("data");
        let mut first = None;
        for args in steps {
            let ended = run(&data, args);
            if ended.code != Some(0) {
                first = Some(ended.exits(3));
                break;
            }
        }
        if let Some(ended) = &first {
            refused += 1;
            says_full(ended);
        }
        disk.grow();
        for args in steps {
            let _ = run(&data, args).exits(0);
        }
        let state = State::of(&data).await;
        assert!(
            state.same_figures(&expected),
            "{kilobytes} kB: {state:?}\nundisturbed: {expected:?}"
        );
    }
    aloud(&format!("{refused} of {} small disks were too small", sizes.len()));
    assert!(
        refused >= 2,
        "only {refused} of the disks were too small: make them smaller"
    );
}

/// The call under a limit on the size of files; a write beyond it fails like one on a full disk.
fn limited(data: &Path, args: &[&str], blocks: u32) -> Ended {
    let inner = command(data, args);
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\""))
        .arg(inner.get_program())
        .args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    Ended::of(&shell.output().expect("a shell starts"), args)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_on_file_sizes_is_an_error_and_the_next_run_completes() {
    let scene = Scene::new();
    let (expected, _) = undisturbed(&scene).await;
    let mut refused = 0;
    for (number, blocks) in [300, 600, 900].into_iter().enumerate() {
        let data = scene.prepared(&format!("limited-{number}"));
        for args in [&scene.ingest()[..], &scene.ingest_usage(), &["allocate"]] {
            let ended = limited(&data, args, blocks);
            if ended.code != Some(0) {
                refused += 1;
                let ended = ended.exits(3);
                says_full(&ended);
            }
            let _ = run(&data, args).exits(0);
        }
        assert_eq!(State::of(&data).await, expected, "{blocks} blocks");
    }
    assert!(refused > 0, "no limit was too small");
}
