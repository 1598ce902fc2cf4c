"""TensorRT and TensorRT-RTX: plans built, kept, tried and executed."""
