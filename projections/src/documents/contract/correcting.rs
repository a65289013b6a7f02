//! A mistake is put right by one more event, and the documents follow.

use super::Case;

pub(crate) fn a_corrected_limit_is_shown_and_credit_goes_on_from_it(case: &mut Case) {
    case.shop.create_customer(1, "Ada");
    case.shop.reserve(1, 10, 5_000).unwrap();
    case.project();

    // In a commit of its own, and in one with what follows it.
    for (cents, together) in [(20_000, false), (7_000, true), (9_000, false)] {
        case.shop.correct_limit(1, cents);
        if !together {
            case.project();
            let shown = case.customer(1).unwrap().customer;
            assert_eq!(shown.credit_limit.cents(), cents);
            case.assert_shows_the_shop();
            case.crash();
        }
        case.shop.reserve(1, 11, 100).unwrap();
        case.project();
        let shown = case.customer(1).unwrap().customer;
        assert_eq!(shown.credit_limit.cents(), cents);
        case.assert_shows_the_shop();
    }
}
