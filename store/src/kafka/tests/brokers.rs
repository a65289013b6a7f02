//! Brokers that go away and come back. Runs alone: it kills the broker of all tests.
