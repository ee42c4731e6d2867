//! Rows fail alone: whichever rows make a batch fail are found by halving it.
