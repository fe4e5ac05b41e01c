//! Which model a request means: what is called, what is billed, what answers, and what CloudWatch calls it.

use serde::{Deserialize, Serialize};

/// A model, resolved against the policy's catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedModel {
    /// The text in the request.
    pub requested: String,
    /// The policy's name for it, or the id where it has none: what a budget's `model` key means.
    pub name: String,
    /// What Converse is called with: an id, a system profile's id, or an application profile's ARN.
    pub model_id: String,
    /// The id whose price counts: the profile's source, prefix and all.
    pub billed_id: String,
    /// The foundation model behind it, which decides the capabilities.
    pub underlying: String,
    /// What CloudWatch's `AWS/Bedrock` metrics call it: the last segment of an application profile's ARN, else the id.
    pub model_metric: String,
}

/// An inference profile's ARN, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileArn<'a> {
    /// An application inference profile, which hides its model; the unique id is given.
    Application(&'a str),
    /// A system-defined profile; its id is given.
    System(&'a str),
}

/// Reads `arn:PARTITION:bedrock:REGION:ACCOUNT:application-inference-profile/ID` or `…:inference-profile/ID`; `None` for anything else.
pub fn profile_arn(text: &str) -> Option<ProfileArn<'_>> {
    let mut parts = text.splitn(6, ':');
    let (arn, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let lower = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    if arn != "arn" || !partition.starts_with("aws") || !lower(partition) || service != "bedrock" || !lower(region) || !is_account {
        return None;
    }
    let (kind, id) = resource.split_once('/')?;
    let unique = !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric());
    let system = !id.is_empty() && id.len() <= 128 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:_".contains(&b));
    match kind {
        "application-inference-profile" if unique => Some(ProfileArn::Application(id)),
        "inference-profile" if system => Some(ProfileArn::System(id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_arn_gives_its_id_and_nothing_else_does() {
        let check = |text: &str, expected: Option<ProfileArn<'_>>| assert_eq!(profile_arn(text), expected, "{text}");
        check("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3", Some(ProfileArn::Application("a1b2c3")));
        check("arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:application-inference-profile/x", Some(ProfileArn::Application("x")));
        check("arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.a.b-v1:0", Some(ProfileArn::System("us.a.b-v1:0")));
        check("arn:aws:bedrock:us-east-1:12345:application-inference-profile/a1", None);
        check("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/", None);
        check("arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a/b", None);
        check("arn:aws:s3:us-east-1:123456789012:application-inference-profile/a1", None);
        check("arn:aws:bedrock:us-east-1:123456789012:foundation-model/x", None);
        check("us.anthropic.claude-3-5-haiku-20241022-v1:0", None);
        for start in [
            "urn:aws:bedrock:us-east-1",
            "arn:azure:bedrock:us-east-1",
            "arn:aws!:bedrock:us-east-1",
            "arn:aws:bedrock:US-EAST-1",
            "arn:aws:bedrock:",
        ] {
            check(&format!("{start}:123456789012:application-inference-profile/a1"), None);
        }
        for (kind, most) in [("application-inference-profile", 64), ("inference-profile", 128)] {
            let of = |id: &str| profile_arn(&format!("arn:aws:bedrock:us-east-1:123456789012:{kind}/{id}")).is_some();
            let found = ["", "a b", "a/b", "a\u{e9}", &"a".repeat(most), &"a".repeat(most + 1)].map(of);
            assert_eq!(found, [false, false, false, false, true, false], "{kind}");
        }
    }
}
