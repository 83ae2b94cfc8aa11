//! `toolcell policy`

pub(super) mod explain;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;

use serde_json::{Value, json};
use toolcell_host::schema::inert;
use toolcell_host::{Policy, Review};

use super::print_json;
use crate::args::{PolicyArgs, PolicyCheckArgs, PolicyCommand, PolicyInitArgs};
use crate::exit::{CliError, Exit};
use crate::home;
use crate::paths::Paths;
use crate::terminal::{Style, err, out, say};

/// A policy that allows nothing and explains every key.
const STARTER: &str = include_str!("starter.toml");

pub(crate) fn run(args: &PolicyArgs) -> Result<Exit, CliError> {
    let paths = Paths::from_environment()?;
    match &args.command {
        PolicyCommand::Check(args) => check(&paths, args),
        PolicyCommand::Explain(args) => explain::run(&paths, args),
        PolicyCommand::Init(args) => init(&paths, args),
    }
}

fn check(paths: &Paths, args: &PolicyCheckArgs) -> Result<Exit, CliError> {
    let Some(path) = home::policy_path(paths, args.path.as_deref())? else {
        if args.json {
            print_json(&json!({ "ok": true, "path": null, "problems": [] }))?;
        } else {
            say("there is no policy, so nothing is allowed");
            eprintln!("{} `toolcell policy init` writes one to begin with", err(Style::Good, "next:"));
        }
        return Ok(Exit::Ok);
    };
    let problems = match Policy::load(&path) {
        Ok(policy) => {
            let rules: Vec<&str> = policy.rules().iter().map(|rule| rule.name.as_str()).collect();
            let review = policy.review() == Review::Required;
            if args.json {
                let digest = policy.digest();
                print_json(&json!({
                    "ok": true, "path": path, "digest": digest, "rules": rules, "require_approval": review, "problems": [],
                }))?;
            } else {
                let count = if rules.len() == 1 { "1 rule".to_owned() } else { format!("{} rules", rules.len()) };
                say(&format!("{} {}: {count}, sha256:{}", out(Style::Good, "ok"), path.display(), policy.digest()));
            }
            return Ok(Exit::Ok);
        }
        Err(problems) => problems,
    };
    if args.json {
        let told: Vec<Value> = problems
            .problems
            .iter()
            .map(|problem| {
                let (line, column) = problem.place.unzip();
                json!({ "file": problem.file, "line": line, "column": column, "message": problem.message })
            })
            .collect();
        print_json(&json!({ "ok": false, "path": path, "problems": told, "more": problems.more }))?;
    } else {
        for problem in &problems.problems {
            say(&inert(&problem.to_string(), 4_096));
        }
        if problems.more > 0 {
            say(&format!("and {} more", problems.more));
        }
    }
    Ok(Exit::Failed)
}

fn init(paths: &Paths, args: &PolicyInitArgs) -> Result<Exit, CliError> {
    let path = match &args.path {
        Some(path) => path.clone(),
        None => match home::policy_path(paths, None)? {
            Some(there) => return Err(exists(&there)),
            None => paths.policy_file(),
        },
    };
    let failed = |error: &std::io::Error| CliError::failed(format!("cannot write `{}`", path.display())).because(error);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| failed(&error))?;
    }
    // Never over a file that is there, also where somebody makes one at this moment.
    let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Err(exists(&path)),
        Err(error) => return Err(failed(&error)),
    };
    file.write_all(STARTER.as_bytes()).map_err(|error| failed(&error))?;
    say(&format!("wrote {}", path.display()));
    eprintln!("{} edit it, then `toolcell policy check {}`", err(Style::Good, "next:"), path.display());
    Ok(Exit::Ok)
}

fn exists(path: &std::path::Path) -> CliError {
    CliError::failed(format!("there is a policy already: `{}`", path.display()))
        .next("Edit that one, or name another file by `--path`.")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_starter_allows_nothing_and_every_example_in_it_is_right() {
        let home = tempfile::tempdir().expect("a folder");
        let load = |text: &str| {
            let file = home.path().join("policy.toml");
            std::fs::write(&file, text).expect("writes");
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("sets");
            Policy::load(&file).unwrap_or_else(|problems| panic!("{problems}"))
        };
        assert_eq!(load(STARTER).digest(), Policy::deny_all().digest());
        // An example begins with `#` alone, prose with `# `.
        let examples: Vec<_> = STARTER
            .lines()
            .map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line))
            .collect();
        std::fs::create_dir(home.path().join("docs")).expect("a folder");
        let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(home.path().join("ca.pem"), pem).expect("writes");
        let policy = load(&examples.join("\n"));
        assert!(policy.rules().len() >= 2 && policy.secret_stores().len() == 3 && policy.extra_ca().len() == 1);
    }
}
