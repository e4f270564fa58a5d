// One source that includes all: reading libtorch's headers takes longer than everything else, and is done once.
#include "guard.cpp"
#include "kernels.cpp"
#include "memory.cpp"
#include "report.cpp"
#include "streams.cpp"
#include "attention.cpp"
