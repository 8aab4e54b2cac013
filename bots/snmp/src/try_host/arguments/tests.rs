use super::*;

fn nothing(_: &str) -> Result<Option<String>, String> {
    Ok(None)
}

fn read_with(line: &[&str], environment: Lookup<'_>) -> Result<Options, String> {
    let arguments = ["try", "192.0.2.1"].iter().chain(line).map(OsString::from).collect();
    parse(arguments, environment).map_err(|refusal| match refusal {
        Refusal::Usage(error) => error.to_string(),
        Refusal::Problem(problem) => problem,
    })
}

fn read(line: &[&str]) -> Result<Options, String> {
    read_with(line, &nothing)
}

fn credential(line: &[&str]) -> Result<Credential, String> {
    read(line).map(|options| Credential::clone(&options.asking.credential))
}

#[test]
fn the_arguments_are_consistent() {
    command().debug_assert();
}

#[test]
fn versions_and_communities_are_as_in_net_snmp() {
    let v2c = |community: &str| Credential::v2c(community);
    assert_eq!(credential(&[]).ok(), v2c("public").ok());
    assert_eq!(credential(&["-c", "hidden"]).ok(), v2c("hidden").ok());
    assert_eq!(credential(&["-v", "2c", "--community", "hidden"]).ok(), v2c("hidden").ok());
    assert_eq!(credential(&["-v1", "-chidden"]).ok(), Credential::v1("hidden").ok());
    let tuned = credential(&["-t", "0.5", "-r", "0", "-p", "1161", "--max-repetitions", "7"]).unwrap();
    assert_eq!((tuned.timeout(), tuned.retries()), (Duration::from_millis(500), 0));
    assert_eq!((tuned.port(), tuned.max_repetitions()), (1161, Some(7)));
}

#[test]
fn users_are_as_in_net_snmp() {
    let auth = || Some(("SHA-256", "authentic-secret".to_owned()));
    let privacy = || Some(("AES-256-C", "private-secret".to_owned()));
    let auth_options = ["-a", "SHA-256", "-A", "authentic-secret"];
    let priv_options = ["-x", "AES-256-C", "-X", "private-secret"];
    let read = |options: &[&[&str]]| credential(&options.concat());
    let carol = ["-u", "carol"];
    assert_eq!(read(&[&carol]).ok(), Credential::v3("carol", None, None).ok());
    assert_eq!(read(&[&carol, &auth_options]).ok(), Credential::v3("carol", auth(), None).ok());
    let both = Credential::v3("carol", auth(), privacy()).unwrap();
    assert_eq!(read(&[&carol, &auth_options, &priv_options]), Ok(both.clone()));
    assert_eq!(read(&[&["-v", "3", "-l", "AUTHPRIV"], &carol, &auth_options, &priv_options]), Ok(both));
    // What a level does not use is not looked at.
    let low = read(&[&carol, &["-l", "noAuthNoPriv"], &auth_options, &priv_options]);
    assert_eq!(low.ok(), Credential::v3("carol", None, None).ok());
}

#[test]
fn secrets_may_come_from_elsewhere() {
    let environment = |name: &str| {
        Ok(match name {
            "SNMP_COMMUNITY" => Some("of-the-environment".to_owned()),
            "SNMP_AUTH_PASSPHRASE" => Some("authentic-secret".to_owned()),
            "SNMP_PRIV_PASSPHRASE" => Some("private-secret".to_owned()),
            other => panic!("{other}"),
        })
    };
    let with = |line: &[&str]| {
        read_with(line, &environment).map(|options| Credential::clone(&options.asking.credential))
    };
    assert_eq!(with(&[]).ok(), Credential::v2c("of-the-environment").ok());
    let auth = Some(("SHA", "authentic-secret".to_owned()));
    let both = Credential::v3("carol", auth, Some(("AES", "private-secret".to_owned())));
    assert_eq!(with(&["-u", "carol", "-a", "SHA", "-x", "AES"]).ok(), both.ok());
    assert_eq!(with(&["-u", "carol"]).ok(), Credential::v3("carol", None, None).ok());

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("community");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "of a file \r\n").unwrap();
    assert_eq!(with(&["--community-file", path]).ok(), Credential::v2c("of a file ").ok());
    std::fs::write(&file, "x".repeat(5_000)).unwrap();
    let error = with(&["--community-file", path]).unwrap_err();
    assert!(error.ends_with("community: expected at most 4096 bytes"), "{error}");
    assert!(with(&["--community-file", "/no/such/file"]).unwrap_err().contains("No such file"));
}

#[test]
fn what_is_wrong_is_named_as_it_was_typed_and_secrets_are_not_shown() {
    for (line, expected) in [
        (&["-c", ""][..], "-c: expected 1 to 255 bytes"),
        (&["-v", "3"], "-u: expected 1 to 32 bytes"),
        (&["-u", "carol", "-l", "authPriv"], "-a: expected MD5, SHA, SHA-224,"),
        (&["-u", "carol", "-a", "SHA3"], "-a: expected MD5, SHA, SHA-224,"),
        (&["-u", "carol", "-a", "SHA", "-A", "hunter2"], "-A: expected at least 8 bytes"),
        (&["-u", "carol", "-x", "AES", "-X", "hunter22"], "-a: expected MD5"),
        (&["-u", "carol", "-a", "SHA", "-A", "hunter22", "-X", "hunter22"], "-x: expected DES, AES,"),
        (
            &["-u", "carol", "-a", "SHA", "-A", "hunter22", "-x", "AES", "-X", "hunter2"],
            "-X: expected at least",
        ),
        (&["-v", "2c", "-u", "carol"], "--user needs -v 3, not SNMPv2c"),
        (&["-v", "3", "-u", "carol", "-c", "hunter2"], "--community needs -v 1 or 2c, not SNMPv3"),
        (&["-u", "carol", "-n", &"x".repeat(33)], "-n: expected at most 32 bytes"),
        (&["-t", "0"], "-t: expected 0.01 to 60, got 0"),
        (&["-t", "soon"], "invalid value 'soon' for '--timeout <SECONDS>'"),
        (&["-r", "11"], "-r: expected 0 to 10, got 11"),
        (&["-p", "0"], "-p: expected 1 to 65535, got 0"),
        (&["--max-repetitions", "0"], "--max-repetitions: expected 1 to 10000, got 0"),
        (&["--interval", "0"], "expected 0.1 to 3600 seconds"),
        (&["-v", "4"], "[possible values: 1, 2c, 3]"),
        (
            &["--get", "1.3.x"],
            "--get: expected numbers joined by dots, such as 1.3.6.1.2.1.1.3.0, got \"1.3.x\"",
        ),
        (&["--walk", "ifDesc"], "; did you mean ifDescr?"),
        (&["--expression", "$1", "--get", "1.3.1"], "--output-path <TEMPLATE>"),
        (&["--expression", "$1", "--output-path", "a"], "--get <OID>|--walk <OID>"),
        (
            &["--get", "1.3.1", "--expression", "$1 + $2", "--output-path", "a"],
            "--expression: column 6: $2 is none of the sensor's values: expected $1",
        ),
        (
            &["--get", "1.3.1", "--expression", "$1", "--output-path", "a..b"],
            "--output-path: column 3: an empty",
        ),
    ] {
        let error = read(line).unwrap_err();
        assert!(error.contains(expected), "{line:?}: {error}");
        assert!(!error.contains("hunter"), "{error}");
    }
    let twice = parse(["try", "h:1", "-p", "2"].map(OsString::from).to_vec(), &nothing);
    assert!(
        matches!(twice, Err(Refusal::Problem(problem)) if problem.starts_with("the port is given twice"))
    );
}

#[test]
fn what_to_read_keeps_its_order() {
    let line = ["--walk", "ifInOctets", "--get", "sysUpTime", "--walk", "1.3.7", "--get", "1.3.8"];
    let sources = read(&line).unwrap().sources;
    let read: Vec<(String, bool)> =
        sources.iter().map(|source| (source.oid.to_string(), source.fetch == FetchMethod::Walk)).collect();
    let expected =
        [("1.3.6.1.2.1.2.2.1.10", true), ("1.3.6.1.2.1.1.3.0", false), ("1.3.7", true), ("1.3.8", false)];
    assert_eq!(read, expected.map(|(oid, walk)| (oid.to_owned(), walk)));
}

#[test]
fn other_ways_to_ask_are_known_for_communities() {
    let others = |line: &[&str]| {
        let asking = read(line).unwrap().asking;
        asking.others.iter().map(|(version, credential)| (*version, credential.retries())).collect::<Vec<_>>()
    };
    assert_eq!(others(&["-p", "7"]), [(Version::V1, 1), (Version::V3, 1)]);
    assert_eq!(others(&["-v", "1", "-r", "0"]), [(Version::V2c, 0), (Version::V3, 0)]);
    assert_eq!(others(&["-u", "carol"]), []);
}
