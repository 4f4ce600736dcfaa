//! Why a token is not believed.

use jsonwebtoken::errors::{Error, ErrorKind};

use crate::telemetry::TokenMetrics;

/// What is wrong with a token. Nothing in it is the token's own text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    /// No key set was had yet: not the token's fault.
    NoKeys,
    TooLong,
    Malformed,
    Extension,
    Algorithm,
    UnknownKey,
    Expired,
    NotYetValid,
    Issuer,
    Audience,
    Incomplete,
    Signature,
}

impl TokenRefusal {
    /// What the person concerned may read.
    pub const fn text(self) -> &'static str {
        match self {
            TokenRefusal::NoKeys => "no key has been had yet that could verify the token",
            TokenRefusal::TooLong => "the token is too long",
            TokenRefusal::Malformed => "the token is malformed",
            TokenRefusal::Extension => "the token demands an extension",
            TokenRefusal::Algorithm => "the token is signed in a way that is not taken",
            TokenRefusal::UnknownKey => "no key is known that verifies the token",
            TokenRefusal::Expired => "the token has expired",
            TokenRefusal::NotYetValid => "the token is not valid yet",
            TokenRefusal::Issuer => "the token is not of the issuer that is trusted",
            TokenRefusal::Audience => "the token is for somebody else",
            TokenRefusal::Incomplete => "the token lacks `exp`, `iss` or `aud`",
            TokenRefusal::Signature => "the token can't be verified",
        }
    }

    pub(super) fn count(self, metrics: &TokenMetrics) {
        let refused = &metrics.refused;
        let counter = match self {
            TokenRefusal::NoKeys => &refused.no_keys,
            TokenRefusal::TooLong
            | TokenRefusal::Malformed
            | TokenRefusal::Extension
            | TokenRefusal::Incomplete => &refused.malformed,
            TokenRefusal::Algorithm => &refused.algorithm,
            TokenRefusal::UnknownKey => &refused.unknown_key,
            TokenRefusal::Expired => &refused.expired,
            TokenRefusal::NotYetValid => &refused.not_yet_valid,
            TokenRefusal::Issuer => &refused.wrong_issuer,
            TokenRefusal::Audience => &refused.wrong_audience,
            TokenRefusal::Signature => &refused.bad_signature,
        };
        counter.add(1);
    }
}

impl From<&Error> for TokenRefusal {
    fn from(why: &Error) -> Self {
        match why.kind() {
            ErrorKind::ExpiredSignature => TokenRefusal::Expired,
            ErrorKind::ImmatureSignature => TokenRefusal::NotYetValid,
            ErrorKind::InvalidIssuer => TokenRefusal::Issuer,
            ErrorKind::InvalidAudience => TokenRefusal::Audience,
            ErrorKind::MissingRequiredClaim(_) => TokenRefusal::Incomplete,
            _ => TokenRefusal::Signature,
        }
    }
}
