//! softflowd, which makes flows of a capture and exports them, on loopback only.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

/// Exports the flows of [`capture`] in the given version. None when it is not installed: then the test is skipped, by
/// name, or fails where `CI` is true.
pub(crate) fn export(test: &str, version: &str, to: SocketAddr) -> Option<()> {
    let programs = ["/usr/sbin/softflowd", "/usr/local/sbin/softflowd", "/usr/bin/softflowd"];
    let Some(program) = programs.into_iter().find(|path| Path::new(path).exists()) else {
        #[allow(clippy::disallowed_methods, reason = "a test has no settings to look this up in")]
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!ci, "{test} needs softflowd");
        eprintln!("skipped: {test}: softflowd is not installed (scripts/install-peers)");
        return None;
    };
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    std::fs::write(path("capture"), capture()).unwrap();
    let output = Command::new(program)
        .args(["-r", &path("capture"), "-n", &to.to_string(), "-v", version, "-d"])
        // It would now and then wait for somebody at its control socket when it is done.
        .args(["-p", &path("pid"), "-c", "none"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    Some(())
}

/// Octets of the packets from 10.0.0.1 to 10.0.0.2, and how many there are.
pub(crate) const OCTETS: u64 = 10 * 128;
pub(crate) const PACKETS: u64 = 10;

/// Ten datagrams from 10.0.0.1:1234 to 10.0.0.2:53, of 128 bytes each, over nine seconds.
fn capture() -> Vec<u8> {
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let mut file = words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 65_535, 1]);
    for second in 0..PACKETS as u32 {
        let mut packet = vec![0; 12];
        packet.extend([8, 0]);
        packet.extend([0x45, 0, 0, 128, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        packet.extend([4, 0xd2, 0, 53, 0, 108, 0, 0]);
        packet.resize(14 + 128, 7);
        file.extend(words(&[1_700_000_000 + second, 0, packet.len() as u32, packet.len() as u32]));
        file.extend(packet);
    }
    file
}
