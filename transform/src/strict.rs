//! Physical expressions in which nothing overflows in silence and constants are computed once.
