//! What PostgreSQL answers, by what can be done about it
//! (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).

use sagas::Service;
use sea_orm::sqlx::Error;
use sea_orm::sqlx::postgres::PgDatabaseError;
use sea_orm::{DbErr, RuntimeErr};

use super::PostgresAddress;
use crate::StoreError;

/// A kind of failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The data that were to be written.
    Data,
    /// The connection is gone, or could not be made: the next one may be good.
    Lost,
    /// Other transactions were in the way, and are gone now.
    Contended,
    /// Whoever connects is not let in: a person must do something.
    Refused,
    /// The server cannot do what was asked for now.
    Server,
}

pub(crate) fn kind(error: &Error) -> Kind {
    match error {
        Error::Database(told) => of_code(told.code().as_deref().unwrap_or_default()),
        Error::Io(_) | Error::Protocol(_) | Error::PoolClosed => Kind::Lost,
        // A value that cannot be sent.
        Error::Encode(_) => Kind::Data,
        Error::Tls(_) => Kind::Refused,
        _ => Kind::Server,
    }
}

fn of_code(code: &str) -> Kind {
    match code {
        // A server that ends, has crashed, or is not up yet; a session that was idle for too long.
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => Kind::Lost,
        "40001" | "40P01" => Kind::Contended,
        // No such database, and no right to enter it or to do what must be done.
        "3D000" | "42501" => Kind::Refused,
        _ => match code.get(..2) {
            Some("08") => Kind::Lost,
            Some("22" | "23") => Kind::Data,
            Some("28") => Kind::Refused,
            _ => Kind::Server,
        },
    }
}

/// Whether the server has no connection to give.
pub(crate) fn is_too_many(error: &Error) -> bool {
    matches!(error, Error::Database(told) if told.code().as_deref() == Some("53300"))
}

/// Whether a page of the database is damaged.
pub(crate) fn is_of_a_page(error: &PgDatabaseError) -> bool {
    matches!(error.code(), "XX001" | "XX002")
}

/// The server's own words, with its code: the words depend on its language.
pub(crate) fn text(error: &Error) -> String {
    let Error::Database(told) = error else {
        return match error {
            Error::PoolTimedOut => "it has not let us in in time".to_owned(),
            other => other.to_string(),
        };
    };
    let code = told.code().unwrap_or_default();
    format!("{} (SQLSTATE {code})", told.message())
}

/// Why a database cannot be opened: it is not there now, or somebody must do something.
pub(crate) fn opening(address: &PostgresAddress, service: Service, error: &Error) -> StoreError {
    let (cause, remedy) = (text(error), remedy(error));
    match kind(error) {
        Kind::Refused => StoreError::Unusable {
            file: address.to_string(),
            cause,
            remedy,
        },
        _ => unreachable(address, service, cause),
    }
}

/// The same for what SeaORM has asked.
pub(crate) fn opening_by_sea_orm(
    address: &PostgresAddress,
    service: Service,
    error: &DbErr,
) -> StoreError {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => opening(address, service, error),
        other => unreachable(address, service, other.to_string()),
    }
}

/// A server that does not do its work now.
pub(crate) fn unreachable(
    address: &PostgresAddress,
    service: Service,
    cause: String,
) -> StoreError {
    StoreError::Unreachable {
        what: service.to_string(),
        place: address.to_string(),
        cause,
    }
}

fn remedy(error: &Error) -> &'static str {
    let code = match error {
        Error::Database(told) => told.code(),
        _ => None,
    };
    match code.as_deref() {
        Some("28P01") => "allowed: the password of this user",
        Some("3D000") => "make the database (createdb)",
        Some("42501") => "allowed: a user who may make tables in it",
        Some(_) => "allowed: a user whom the server lets in (pg_hba.conf)",
        None => "allowed: a certificate that the server's sslmode asks for",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_code_says_decides_what_is_done() {
        for (code, kind) in [
            ("23505", Kind::Data),
            ("22021", Kind::Data),
            ("57P01", Kind::Lost),
            ("08006", Kind::Lost),
            ("40P01", Kind::Contended),
            ("28P01", Kind::Refused),
            ("53100", Kind::Server),
            ("25006", Kind::Server),
            ("55P03", Kind::Server),
        ] {
            assert_eq!(of_code(code), kind, "{code}");
        }
    }
}
