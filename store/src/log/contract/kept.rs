//! The logs of this crate that need nothing but a database.

use super::elsewhere::{Direct, Elsewhere, at_the_owner};
use crate::journal::testing::embedded as in_the_outbox;
use crate::testing::Ground;

log_contract!(embedded, super::Ground::folder(), super::in_the_outbox);
log_contract!(
    embedded_on_postgres,
    super::Ground::postgres(),
    super::in_the_outbox,
    #[ignore = "needs PostgreSQL: COUNTERFOIL_TEST_POSTGRES_URL"]
);
log_contract!(
    cluster_at_the_owner,
    super::Ground::folder(),
    super::at_the_owner
);
log_contract!(
    cluster_elsewhere,
    super::Ground::folder(),
    super::Elsewhere::by(super::Direct::default())
);
