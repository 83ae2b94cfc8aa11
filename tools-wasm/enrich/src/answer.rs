//! Owns what came back: the API's person and company objects as records. Every member is optional there and stays so here; what has another
//! type than the documented one counts as absent, and texts and lists are bounded.

use serde_json::Value;
use toolcell_client::{Error, json};

use crate::bindings::{Account, Both, Company, Employment, Person, Place};

/// The longest line, in characters.
const LONGEST_LINE: usize = 300;
/// The longest description, in characters.
const LONGEST_TEXT: usize = 2000;
/// The most entries of a list.
const MOST_ENTRIES: usize = 200;

/// The person of an answer.
pub(crate) fn person(value: &Value) -> Result<Person, Error> {
    let value = object(value)?;
    let accounts = ["facebook", "github", "twitter", "linkedin"];
    Ok(Person {
        full_name: line(value, "/name/fullName"),
        given_name: line(value, "/name/givenName"),
        family_name: line(value, "/name/familyName"),
        email: line(value, "/email"),
        location: line(value, "/location"),
        place: place(value),
        time_zone: line(value, "/timeZone"),
        bio: json::line(value, "/bio", LONGEST_TEXT),
        site: line(value, "/site"),
        avatar: line(value, "/avatar"),
        employment: employment(value),
        accounts: accounts.into_iter().filter_map(|network| account(value, network)).collect(),
        email_provider: value.pointer("/emailProvider").and_then(Value::as_bool),
        indexed_at: line(value, "/indexedAt"),
    })
}

/// The company of an answer.
pub(crate) fn company(value: &Value) -> Result<Company, Error> {
    let value = object(value)?;
    let accounts = ["facebook", "linkedin", "twitter", "crunchbase"];
    Ok(Company {
        name: line(value, "/name"),
        legal_name: line(value, "/legalName"),
        domain: line(value, "/domain"),
        domain_aliases: lines(value, "/domainAliases"),
        description: json::line(value, "/description", LONGEST_TEXT),
        sector: line(value, "/category/sector"),
        industry_group: line(value, "/category/industryGroup"),
        industry: line(value, "/category/industry"),
        sub_industry: line(value, "/category/subIndustry"),
        tags: lines(value, "/tags"),
        kind: line(value, "/type"),
        ticker: line(value, "/ticker"),
        founded_year: whole(value, "/foundedYear").and_then(|year| u32::try_from(year).ok()),
        location: line(value, "/location"),
        place: place(value),
        time_zone: line(value, "/timeZone"),
        phone: line(value, "/phone"),
        phone_numbers: lines(value, "/site/phoneNumbers"),
        email_addresses: lines(value, "/site/emailAddresses"),
        logo: line(value, "/logo"),
        accounts: accounts.into_iter().filter_map(|network| account(value, network)).collect(),
        employees: whole(value, "/metrics/employees"),
        employees_range: line(value, "/metrics/employeesRange"),
        market_cap: whole(value, "/metrics/marketCap"),
        raised: whole(value, "/metrics/raised"),
        annual_revenue: whole(value, "/metrics/annualRevenue"),
        estimated_annual_revenue: line(value, "/metrics/estimatedAnnualRevenue"),
        technologies: lines(value, "/tech"),
        parent_domain: line(value, "/parent/domain"),
        ultimate_parent_domain: line(value, "/ultimateParent/domain"),
        email_provider: value.pointer("/emailProvider").and_then(Value::as_bool),
        indexed_at: line(value, "/indexedAt"),
    })
}

/// Person and company of an answer; either may be null.
pub(crate) fn both(value: &Value) -> Result<Both, Error> {
    let present = |name: &str| value.get(name).filter(|part| !part.is_null());
    if value.get("person").is_none() && value.get("company").is_none() {
        return Err(Error::Malformed("it has neither a person nor a company".to_owned()));
    }
    Ok(Both {
        person: present("person").map(person).transpose()?,
        company: present("company").map(company).transpose()?,
    })
}

fn object(value: &Value) -> Result<&Value, Error> {
    // The service gives an id to everything it knows; without one this is another document.
    if value.get("id").is_some_and(Value::is_string) {
        return Ok(value);
    }
    Err(Error::Malformed("it has no member `id`".to_owned()))
}

fn place(value: &Value) -> Option<Place> {
    let degrees =
        |pointer, most| value.pointer(pointer).and_then(Value::as_f64).filter(|degrees: &f64| degrees.abs() <= most);
    let place = Place {
        city: line(value, "/geo/city"),
        state: line(value, "/geo/state"),
        state_code: line(value, "/geo/stateCode"),
        country: line(value, "/geo/country"),
        country_code: line(value, "/geo/countryCode"),
        latitude: degrees("/geo/lat", 90.0),
        longitude: degrees("/geo/lng", 180.0),
    };
    let names = [&place.city, &place.state, &place.state_code, &place.country, &place.country_code];
    let is_empty = names.iter().all(|name| name.is_none()) && place.latitude.is_none() && place.longitude.is_none();
    (!is_empty).then_some(place)
}

fn employment(value: &Value) -> Option<Employment> {
    let employment = Employment {
        company: line(value, "/employment/name"),
        domain: line(value, "/employment/domain"),
        title: line(value, "/employment/title"),
        role: line(value, "/employment/role"),
        sub_role: line(value, "/employment/subRole"),
        seniority: line(value, "/employment/seniority"),
    };
    let Employment { company, domain, title, role, sub_role, seniority } = &employment;
    let is_empty = [company, domain, title, role, sub_role, seniority].iter().all(|line| line.is_none());
    (!is_empty).then_some(employment)
}

fn account(value: &Value, network: &str) -> Option<Account> {
    line(value, &format!("/{network}/handle")).map(|handle| Account { network: network.to_owned(), handle })
}

fn line(value: &Value, pointer: &str) -> Option<String> {
    json::line(value, pointer, LONGEST_LINE)
}

fn lines(value: &Value, pointer: &str) -> Vec<String> {
    json::items(value, pointer).iter().filter_map(|item| line(item, "")).take(MOST_ENTRIES).collect()
}

/// A whole number that is not negative. The service writes some of them with a fraction of zero.
fn whole(value: &Value, pointer: &str) -> Option<u64> {
    /// Beyond 2^53 a number with a fraction is not exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let number = value.pointer(pointer)?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole, and between 0 and 2^53")]
    let from_fraction =
        |number: f64| (number.fract() == 0.0 && (0.0..=EXACT).contains(&number)).then_some(number as u64);
    number.as_u64().or_else(|| number.as_f64().and_then(from_fraction))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_invented() {
        let somebody = person(&json!({"id": "d54c54ad-40be-4305-8a34-0ab44710b90d"})).unwrap();
        assert_eq!(somebody.full_name, None);
        assert!(somebody.place.is_none() && somebody.employment.is_none() && somebody.accounts.is_empty());
        let nulls = json!({"id": "3f5d6a4e", "geo": {"city": null, "lat": null}, "metrics": {"employees": null}, "tags": null,
                           "category": {}, "facebook": {"handle": null}, "foundedYear": null, "parent": {"domain": null}});
        let company = company(&nulls).unwrap();
        assert!(company.place.is_none() && company.tags.is_empty() && company.accounts.is_empty());
        assert_eq!([company.employees, company.raised, company.market_cap], [None; 3]);
        assert_eq!((company.founded_year, company.parent_domain), (None, None));
    }

    #[test]
    fn members_of_another_type_count_as_absent() {
        let odd = json!({"id": "x", "name": {"fullName": 5}, "geo": [1], "employment": "none", "bio": ["a"], "emailProvider": "no",
                         "github": {"handle": ""}, "site": "\u{202e}\n"});
        let odd = person(&odd).unwrap();
        assert!(odd.full_name.is_none() && odd.bio.is_none() && odd.email_provider.is_none() && odd.site.is_none());
        assert!(odd.place.is_none() && odd.employment.is_none() && odd.accounts.is_empty());
        for none in [json!(null), json!([]), json!("x"), json!({}), json!({"error": {"type": "unknown_record"}})] {
            assert!(person(&none).is_err() && company(&none).is_err() && both(&none).is_err(), "{none}");
        }
    }

    #[test]
    fn numbers_are_whole_or_absent() {
        let of = |number: Value| whole(&json!({ "n": number }), "/n");
        assert_eq!(of(json!(250)), Some(250));
        assert_eq!(of(json!(15_000_000.0)), Some(15_000_000));
        assert_eq!(of(json!(u64::MAX)), Some(u64::MAX));
        for none in [json!(-1), json!(1.5), json!(1e300), json!("12"), json!(null)] {
            assert_eq!(of(none.clone()), None, "{none}");
        }
        let far = company(&json!({"id": "x", "geo": {"lat": 91.0, "lng": -180.0}, "foundedYear": 1e12})).unwrap();
        let place = far.place.unwrap();
        assert_eq!((place.latitude, place.longitude, far.founded_year), (None, Some(-180.0), None));
    }

    #[test]
    fn an_answer_is_bounded_whatever_comes() {
        let flood = json!({"id": "x", "description": "d".repeat(1_000_000), "tags": vec!["t".repeat(1000); 10_000]});
        let company = company(&flood).unwrap();
        assert_eq!(company.description.unwrap().chars().count(), LONGEST_TEXT);
        assert_eq!((company.tags.len(), company.tags[0].chars().count()), (MOST_ENTRIES, LONGEST_LINE));
    }
}
