//! Lines that come late, and jumps ahead.

use crate::model::Timestamp;
use crate::replay::{Odd, Order};

const DAY: i64 = 86_400_000;
const BEGIN: i64 = 20_000 * DAY;

fn order(times: impl IntoIterator<Item = i64>) -> Order {
    let mut order = Order::default();
    for (line, at) in (1..).zip(times) {
        order.note(line, Timestamp::from_millis(at));
    }
    order
}

#[test]
fn lines_in_order_are_none_of_both() {
    let order = order([BEGIN, BEGIN, BEGIN + 1, BEGIN + 1 + 30 * DAY, BEGIN + 31 * DAY]);
    assert_eq!((order.late, order.ahead), Default::default());
}

#[test]
fn a_line_is_late_by_the_latest_before_it() {
    let order = order([BEGIN, BEGIN + 2000, BEGIN + 1500, BEGIN + 1999, BEGIN - 400 * DAY, BEGIN]);
    let most_seconds = 400.0 * 86_400.0 + 2.0;
    assert_eq!(order.late, Odd { lines: 4, first: Some(3), most_seconds });
    assert_eq!(order.ahead, Odd::default());
}

#[test]
fn a_jump_is_of_more_than_30_days_and_makes_what_follows_late() {
    let order = order([BEGIN, BEGIN + 30 * DAY + 1, BEGIN + 1, BEGIN + 2, BEGIN + 3700 * DAY]);
    let most_seconds = (3700 - 30) as f64 * 86_400.0 - 0.001;
    assert_eq!(order.ahead, Odd { lines: 2, first: Some(2), most_seconds });
    assert_eq!((order.late.lines, order.late.first), (2, Some(3)));
}
