"""The whole way as a graph of steps: order, dry run, resumption, cancellation."""
