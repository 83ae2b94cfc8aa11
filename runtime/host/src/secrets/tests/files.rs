//! Files that hold secrets: which are read, which are refused, and what a refusal tells.

use std::error::Error as _;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use age::x25519::Identity;
use age::{Encryptor, armor};

use super::*;

const CANARY: &str = "canary-4711-canary";

fn write(dir: &Path, file: &str, bytes: &[u8], mode: u32) -> PathBuf {
    let path = dir.join(file);
    fs::write(&path, bytes).expect("written");
    fs::set_permissions(&path, Permissions::from_mode(mode)).expect("permitted");
    path
}

fn told(error: &SecretError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.extend([format!(" {cause} {cause:?}")]);
        source = cause.source();
    }
    text
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

#[test]
fn a_private_file_is_read_and_read_again_when_it_changes() {
    let dir = folder();
    let table =
        "# tokens\n\"github.token\" = 'ghp_0123456789'\nplain = \"two\\nlines\"\nlong = \"\"\"\na\nb c d e f\"\"\"\n";
    let path = write(dir.path(), "secrets.toml", table.as_bytes(), 0o600);
    let store = SecretFile::open(&path).expect("opens");
    let get = |wanted: &str| store.get(&name(wanted)).expect("answers").map(|secret| value(&secret));
    assert_eq!(get("github.token").as_deref(), Some(&b"ghp_0123456789"[..]));
    assert_eq!(get("plain").as_deref(), Some(&b"two\nlines"[..]));
    assert_eq!(get("long").as_deref(), Some(&b"a\nb c d e f"[..]));
    assert_eq!((get("other"), store.names().len()), (None, 3));
    assert_eq!(store.reload().expect("reads"), Reload::Unchanged);

    let held = store.get(&name("plain")).expect("answers").expect("known");
    write(dir.path(), "secrets.toml", b"plain = 'another value'", 0o600);
    assert_eq!(store.reload().expect("reads"), Reload::Changed);
    assert_eq!(get("plain").as_deref(), Some(&b"another value"[..]));
    assert_eq!((value(&held), store.names()), (b"two\nlines".to_vec(), vec![name("plain")]));

    write(dir.path(), "secrets.toml", b"plain = 'short'", 0o600);
    store.reload().expect_err("refused");
    assert_eq!(get("plain").as_deref(), Some(&b"another value"[..]), "an error keeps what was there");
    fs::remove_file(&path).expect("removed");
    assert!(matches!(store.reload(), Err(SecretError::File(PrivateFileError::Io { .. }))));
}

#[test]
fn a_file_that_others_may_touch_is_refused_with_the_command_that_helps() {
    let dir = folder();
    for mode in [0o644, 0o640, 0o604, 0o620, 0o602, 0o601, 0o610, 0o666] {
        let path = write(dir.path(), "open.toml", b"key = 'canary-4711-canary'", mode);
        let error = SecretFile::open(&path).expect_err("refused");
        assert!(matches!(&error, SecretError::File(PrivateFileError::Open { mode: found, .. }) if *found == mode));
        let told = told(&error);
        assert!(told.contains(&format!("chmod 600 {}", path.display())) && !told.contains(CANARY), "{told}");
    }
    for mode in [0o600, 0o400] {
        SecretFile::open(&write(dir.path(), &format!("{mode}.toml"), b"key = 'canary-4711-canary'", mode))
            .expect("private");
    }
}

#[test]
fn links_folders_fifos_and_huge_files_are_refused_and_nobody_waits() {
    let dir = folder();
    let target = write(dir.path(), "target.toml", b"key = 'canary-4711-canary'", 0o600);
    let link = dir.path().join("link.toml");
    symlink(&target, &link).expect("linked");
    assert!(matches!(SecretFile::open(&link), Err(SecretError::File(PrivateFileError::Link(_)))));
    assert!(matches!(SecretFile::open(dir.path()), Err(SecretError::File(PrivateFileError::NotAFile(_)))));
    let fifo = dir.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR).expect("a fifo");
    assert!(matches!(SecretFile::open(&fifo), Err(SecretError::File(PrivateFileError::NotAFile(_)))));
    let huge = write(dir.path(), "huge.toml", &vec![b'#'; (1 << 20) + 1], 0o600);
    assert!(matches!(SecretFile::open(&huge), Err(SecretError::File(PrivateFileError::TooLong { .. }))));
    let missing = SecretFile::open(&dir.path().join("none")).expect_err("missing");
    assert!(matches!(missing, SecretError::File(PrivateFileError::Io { .. })));
}

#[test]
fn what_is_no_table_of_secrets_is_refused_without_a_word_of_it() {
    let dir = folder();
    let many: Vec<_> = (0..1025).map(|number| format!("n{number} = 'canary-4711-canary'")).collect();
    let many = many.join("\n");
    let deep = format!("a = {}{}", "[".repeat(100_000), "]".repeat(100_000));
    for (text, line) in [
        ("ok = 'canary-4711-canary'\nkey = canary-4711-canary", Some(2)),
        ("key = 'canary-4711-canary", Some(1)),
        ("\n\nkey = ['canary-4711-canary']", Some(3)),
        ("key = 4711", Some(1)),
        ("[canary-4711-canary]\nkey = 'value value'", Some(1)),
        ("'canary 4711 canary' = 'value value'", Some(1)),
        ("key = 'canary-4711-canary'\nkey = 'canary-4711-canary'", Some(2)),
        ("canary-4711-canary", Some(1)),
        ("key = { canary-4711-canary = 'x' }", Some(1)),
        ("key = 'canary'", None),
        (&many, None),
        (&deep, Some(1)),
    ] {
        let path = write(dir.path(), "bad.toml", text.as_bytes(), 0o600);
        let error = SecretFile::open(&path).expect_err("refused");
        let told = told(&error);
        assert!(!told.contains("canary"), "{told}");
        let SecretError::Table { source, .. } = error else { panic!("{told}") };
        match line {
            Some(line) => assert_eq!(source, TableError::Line(line), "{}", &text[..text.len().min(60)]),
            None => assert!(matches!(source, TableError::Value { .. } | TableError::TooMany)),
        }
    }
    let path = write(dir.path(), "bad.toml", b"key = '\xff\xff\xff\xff\xff\xff\xff\xff'", 0o600);
    let error = SecretFile::open(&path).expect_err("refused");
    assert!(matches!(error, SecretError::Table { source: TableError::NotText, .. }));
}

fn identity(dir: &Path, file: &str) -> (Identity, PathBuf) {
    use age::secrecy::ExposeSecret as _;
    let identity = Identity::generate();
    let text = format!("# made for a test\n{}\n", identity.to_string().expose_secret());
    let path = write(dir, file, text.as_bytes(), 0o600);
    (identity, path)
}

fn encrypt(recipients: &[&dyn age::Recipient], plain: &[u8], format: armor::Format) -> Vec<u8> {
    let encryptor = Encryptor::with_recipients(recipients.iter().copied()).expect("recipients");
    let armor = armor::ArmoredWriter::wrap_output(Vec::new(), format).expect("wraps");
    let mut writer = encryptor.wrap_output(armor).expect("wraps");
    writer.write_all(plain).expect("written");
    writer.finish().and_then(armor::ArmoredWriter::finish).expect("finishes")
}

#[test]
fn an_age_file_is_read_binary_and_armored_and_again_when_it_changes() {
    let dir = folder();
    let (key, key_path) = identity(dir.path(), "key");
    for format in [|| armor::Format::Binary, || armor::Format::AsciiArmor] {
        let text = encrypt(&[&key.to_public()], b"token = 'canary-4711-canary'", format());
        let path = write(dir.path(), "secrets.age", &text, 0o600);
        let store = AgeFile::open(&path, &key_path).expect("opens");
        let found = store.get(&name("token")).expect("answers").expect("known");
        assert_eq!(value(&found), CANARY.as_bytes());
        assert_eq!(store.reload().expect("reads"), Reload::Unchanged);
        let text = encrypt(&[&key.to_public()], b"other = 'canary-4711-canary'", format());
        write(dir.path(), "secrets.age", &text, 0o600);
        assert_eq!(store.reload().expect("reads"), Reload::Changed);
        assert_eq!(store.names(), [name("other")]);
    }
}

#[test]
fn an_age_file_that_is_not_for_us_or_not_whole_is_refused() {
    let dir = folder();
    let (key, key_path) = identity(dir.path(), "key");
    let (_, other_path) = identity(dir.path(), "other");
    let text = encrypt(&[&key.to_public()], b"token = 'canary-4711-canary'", armor::Format::Binary);
    let path = write(dir.path(), "secrets.age", &text, 0o600);
    assert!(matches!(AgeFile::open(&path, &other_path), Err(SecretError::OtherIdentity { .. })));
    for end in (0..text.len()).step_by(7) {
        let path = write(dir.path(), "cut.age", &text[..end], 0o600);
        let error = AgeFile::open(&path, &key_path).expect_err("refused");
        assert!(matches!(error, SecretError::Encrypted { .. }), "{end}: {error:?}");
        let mut changed = text.clone();
        changed[end] ^= 1;
        let path = write(dir.path(), "changed.age", &changed, 0o600);
        let error = AgeFile::open(&path, &key_path).expect_err("refused");
        assert!(matches!(error, SecretError::Encrypted { .. } | SecretError::OtherIdentity { .. }), "{end}: {error:?}");
    }
    let plain = write(dir.path(), "plain.age", b"token = 'canary-4711-canary'", 0o600);
    let error = AgeFile::open(&plain, &key_path).expect_err("refused");
    assert!(matches!(error, SecretError::Encrypted { .. }) && !told(&error).contains(CANARY));
}

#[test]
fn passphrases_crowds_and_bombs_are_refused_at_a_bounded_cost() {
    let dir = folder();
    let (key, key_path) = identity(dir.path(), "key");
    let mut passphrase = age::scrypt::Recipient::new(CANARY.to_owned().into());
    passphrase.set_work_factor(2);
    let text = encrypt(&[&passphrase], b"token = 'canary-4711-canary'", armor::Format::AsciiArmor);
    let path = write(dir.path(), "typed.age", &text, 0o600);
    let error = AgeFile::open(&path, &key_path).expect_err("refused");
    assert!(matches!(error, SecretError::Passphrase(_)) && told(&error).contains("age -r"));

    let public = key.to_public();
    let crowd = vec![&public as &dyn age::Recipient; 65];
    let path = write(dir.path(), "crowd.age", &encrypt(&crowd, b"", armor::Format::Binary), 0o600);
    assert!(matches!(AgeFile::open(&path, &key_path), Err(SecretError::Encrypted { .. })));

    let long = encrypt(&[&public], &vec![b'#'; (1 << 20) - 100_000], armor::Format::Binary);
    AgeFile::open(&write(dir.path(), "long.age", &long, 0o600), &key_path).expect("below the bound");
    let long = encrypt(&[&public], &vec![b'#'; 1 << 20], armor::Format::Binary);
    let path = write(dir.path(), "longer.age", &long, 0o600);
    assert!(matches!(AgeFile::open(&path, &key_path), Err(SecretError::File(PrivateFileError::TooLong { .. }))));
}

#[test]
fn an_identity_file_is_held_to_the_same_rules() {
    let dir = folder();
    let (key, key_path) = identity(dir.path(), "key");
    let text = encrypt(&[&key.to_public()], b"token = 'canary-4711-canary'", armor::Format::Binary);
    let path = write(dir.path(), "secrets.age", &text, 0o600);
    let line = fs::read_to_string(&key_path).expect("reads");
    let open = write(dir.path(), "open", line.as_bytes(), 0o640);
    assert!(matches!(AgeFile::open(&path, &open), Err(SecretError::File(PrivateFileError::Open { .. }))));
    for bad in [String::new(), "# nothing\n".into(), CANARY.into(), line.repeat(17)] {
        let bad = write(dir.path(), "bad", bad.as_bytes(), 0o600);
        let error = AgeFile::open(&path, &bad).expect_err("refused");
        assert!(matches!(error, SecretError::Identity { .. }), "{error:?}");
        assert!(!told(&error).contains(CANARY) && !told(&error).contains("AGE-SECRET-KEY"));
    }
}
