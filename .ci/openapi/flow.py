"""A client that was generated from the document drives a node through the whole flow.

    flow.py URL

It speaks to the node only by what the generator has made, and takes every answer apart into the
generated types. On standard output it names what it leaves behind, for the fuzzer: an order, its
customer and its saga.
"""

import sys
import uuid

from shop_client import Client
from shop_client.api.customers import create_customer, show_customer
from shop_client.api.operations import show_liveness, show_saga
from shop_client.api.orders import cancel_order, create_order, list_orders, ship_order, show_order
from shop_client.models import (
    CustomerDetails,
    CustomerOutcome,
    MoneyInput,
    NewCustomer,
    NewOrder,
    NewOrderLine,
    Order,
    OrderOutcome,
    Orders,
    OrderState,
    Problem,
    ProblemType,
    RejectionReason,
    SagaDetails,
    SagaState,
)
from shop_client.types import UNSET

WAIT = "wait=30"


def expect(answer, status, kind):
    """The parsed body of an answer that has this status and type."""
    assert answer.status_code == status, f"{answer.status_code} {answer.content!r}, not {status}"
    assert isinstance(answer.parsed, kind), f"{answer.content!r} is no {kind.__name__}"
    return answer.parsed


def refused(answer, status, type_):
    problem = expect(answer, status, Problem)
    assert (problem.status, problem.type_) == (status, type_), problem
    return problem


def token(answer):
    return answer.headers["Consistency-Token"]


def lines(price):
    return [NewOrderLine(sku="981760", name="YOGURT", quantity=2, unit_price=MoneyInput(price))]


def open_customer(node):
    body = NewCustomer(name="Ada Park", credit_limit=MoneyInput("500.00"))
    key = str(uuid.uuid4())
    created = [
        create_customer.sync_detailed(client=node, body=body, idempotency_key=key) for _ in range(2)
    ]
    first, again = (expect(answer, 201, CustomerOutcome).customer_id for answer in created)
    assert first == again, "a repeat under the same key made another customer"
    return first


def place_order(node, customer, price):
    body = NewOrder(customer_id=customer, lines=lines(price), note="leave at the door")
    answer = create_order.sync_detailed(client=node, body=body, prefer=WAIT)
    return expect(answer, 201, OrderOutcome), token(answer)


def approved_order(node, customer):
    placed, seen = place_order(node, customer, "1.25")
    assert placed.state == OrderState.APPROVED, placed

    order = expect(
        show_order.sync_detailed(placed.order_id, client=node, consistency_token=seen), 200, Order
    )
    assert (order.order_total.amount, order.lines[0].unit_price.amount) == ("2.50", "1.25"), order

    saga = expect(show_saga.sync_detailed(placed.saga_id, client=node), 200, SagaDetails)
    assert saga.state == SagaState.COMPLETED, saga
    return placed, seen


def rejected_order(node, customer):
    placed, _ = place_order(node, customer, "1000.00")
    assert placed.state == OrderState.REJECTED, placed
    assert placed.rejection_reason == RejectionReason.INSUFFICIENT_CREDIT, placed


def found_by_search(node, customer, order, seen):
    found = list_orders.sync_detailed(
        client=node, text="yog*", customer_id=customer, max_total="2.50", consistency_token=seen
    )
    found = expect(found, 200, Orders)
    first = found.orders[0]
    assert (found.total, first.order_id) == (1, order.order_id), found
    assert "<em>" in str(first.highlights.to_dict()), first


def cancelled_order(node, customer, order):
    answer = cancel_order.sync_detailed(order.order_id, client=node, prefer=WAIT)
    assert expect(answer, 200, OrderOutcome).state == OrderState.CANCELLED

    shown = show_customer.sync_detailed(customer, client=node, consistency_token=token(answer))
    assert expect(shown, 200, CustomerDetails).available_credit.amount == "500.00"

    refused(
        ship_order.sync_detailed(order.order_id, client=node),
        409,
        ProblemType.URNCOUNTERFOILPROBLEMCONFLICT,
    )


def refusals(node, customer):
    body = NewOrder(customer_id=customer, order_total=MoneyInput("9.999"))
    invalid = refused(
        create_order.sync_detailed(client=node, body=body),
        400,
        ProblemType.URNCOUNTERFOILPROBLEMINVALID,
    )
    assert invalid.errors is not UNSET and invalid.errors[0].field == "orderTotal", invalid

    missing = show_order.sync_detailed(customer, client=node)
    refused(missing, 404, ProblemType.URNCOUNTERFOILPROBLEMNOT_FOUND)


def main(url):
    with Client(base_url=url, raise_on_unexpected_status=True, timeout=60) as node:
        assert show_liveness.sync_detailed(client=node).status_code == 200

        customer = open_customer(node)
        order, seen = approved_order(node, customer)
        rejected_order(node, customer)
        found_by_search(node, customer, order, seen)
        cancelled_order(node, customer, order)
        refusals(node, customer)

        # Still approved, so that the fuzzer may cancel and ship it.
        left, _ = place_order(node, customer, "1.00")
        print(f"FUZZED_CUSTOMER={customer} FUZZED_ORDER={left.order_id} FUZZED_SAGA={left.saga_id}")


if __name__ == "__main__":
    main(sys.argv[1])
