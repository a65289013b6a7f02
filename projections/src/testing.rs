//! A log in memory for tests: it can repeat, lose and hold back what it delivers. What it has committed is always
//! there to be read, as it is in the real one.
