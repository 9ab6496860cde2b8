// The main() of logtally_tests; the tests are in the directories beside, which mirror the sources.
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
