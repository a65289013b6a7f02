//! `Content-Encoding`: bodies come as they are, or as gzip. Any other coding is refused, because
//! what it hides could not be read.

use std::io::Read;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::Bytes;
use flate2::read::MultiGzDecoder;

use super::Problem;

/// How a body is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Identity,
    Gzip,
}

impl Encoding {
    /// # Errors
    /// A coding that is not known here, or several on top of each other.
    pub fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let mut encoding = Encoding::Identity;

        for value in request.headers().get_all(header::CONTENT_ENCODING) {
            let codings = value
                .to_str()
                .map_err(|_| Problem::unsupported_encoding())?
                .split(',')
                .map(str::trim);

            for coding in codings {
                encoding = match (encoding, coding.to_ascii_lowercase().as_str()) {
                    (encoding, "" | "identity") => encoding,
                    (Encoding::Identity, "gzip" | "x-gzip") => Encoding::Gzip,
                    _ => return Err(Problem::unsupported_encoding()),
                };
            }
        }

        Ok(encoding)
    }

    /// The bytes that a body stands for. Unpacks no more than `most`, so that a small body cannot
    /// become a large one in memory.
    ///
    /// # Errors
    /// A body that is no gzip, or that becomes larger.
    pub fn decode(self, bytes: Bytes, most: usize) -> Result<Bytes, Problem> {
        if self == Encoding::Identity || bytes.is_empty() {
            return Ok(bytes);
        }

        let mut decoded = Vec::new();
        let bound = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
        MultiGzDecoder::new(&*bytes)
            .take(bound)
            .read_to_end(&mut decoded)
            .map_err(|_| Problem::malformed("the body is not the gzip that it is said to be"))?;

        if decoded.len() > most {
            return Err(Problem::too_large(most));
        }
        Ok(decoded.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use actix_web::ResponseError;
    use actix_web::test::TestRequest;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn encoding(values: &[&str]) -> Result<Encoding, u16> {
        let mut request = TestRequest::post();
        for value in values {
            request = request.append_header(("content-encoding", *value));
        }
        Encoding::of(&request.to_http_request()).map_err(|problem| problem.status_code().as_u16())
    }

    fn gzip(bytes: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().into()
    }

    #[test]
    fn identity_and_gzip_are_known_and_nothing_else() {
        assert_eq!(encoding(&[]), Ok(Encoding::Identity));
        assert_eq!(encoding(&["identity"]), Ok(Encoding::Identity));
        assert_eq!(encoding(&["GZIP"]), Ok(Encoding::Gzip));
        assert_eq!(
            encoding(&["identity, x-gzip", "identity"]),
            Ok(Encoding::Gzip)
        );

        for unknown in ["br", "deflate", "zstd", "gzip, br", "gzip, gzip", "\u{e4}"] {
            assert_eq!(encoding(&[unknown]), Err(415), "{unknown}");
        }
        assert_eq!(encoding(&["gzip", "gzip"]), Err(415));
    }

    #[test]
    fn a_body_is_unpacked_up_to_the_bound_and_no_further() {
        let decode = |bytes: Bytes, most| {
            let decoded = Encoding::Gzip.decode(bytes, most);
            decoded.map_err(|problem| problem.status_code().as_u16())
        };

        assert_eq!(decode(gzip(b"abc"), 3), Ok(Bytes::from_static(b"abc")));
        assert_eq!(decode(Bytes::new(), 3), Ok(Bytes::new()));
        assert_eq!(decode(gzip(b"abcd"), 3), Err(413));
        assert_eq!(decode(gzip(&vec![b' '; 50_000_000]), 64), Err(413));

        let whole = gzip(b"abc");
        assert_eq!(decode(whole.slice(..whole.len() - 4), 3), Err(400));
        assert_eq!(decode(Bytes::from_static(b"abc"), 3), Err(400));
    }
}
