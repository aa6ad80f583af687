# How a folder under src/longbow declares itself.
#
#   longbow_library(storage
#     SOURCES commit_log.cc ...
#     DEPS    base                     # folders whose headers it may include; tools/lint_layers.py checks it
#     LINK    PkgConfig::XXHASH        # libraries from outside
#     TESTS   commit_log_test.cc ...)  # unit tests beside their sources, one program a folder
#
# The target is longbow_<folder>; its tests are longbow_<folder>_test.

add_library(longbow_flags INTERFACE)
target_include_directories(longbow_flags INTERFACE "${PROJECT_SOURCE_DIR}/src")
target_compile_options(longbow_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wno-unused-parameter -Wnon-virtual-dtor -Woverloaded-virtual -Werror=return-type
  -fno-omit-frame-pointer)
target_compile_definitions(longbow_flags INTERFACE _GLIBCXX_ASSERTIONS)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(longbow_flags INTERFACE -Wthread-safety)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  target_compile_options(longbow_flags INTERFACE -Wno-restrict)  # GCC 12 sees 2^63 bytes copied in "text" + string
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_options(longbow_flags INTERFACE -fstack-protector-strong)
  target_link_options(longbow_flags INTERFACE -Wl,-z,relro,-z,now)
endif()
if(LONGBOW_SANITIZE)
  target_compile_options(longbow_flags INTERFACE -fsanitize=${LONGBOW_SANITIZE} -g1 -fno-sanitize-recover=all)
  target_link_options(longbow_flags INTERFACE -fsanitize=${LONGBOW_SANITIZE})
endif()

if(LONGBOW_FUZZ)
  target_compile_options(longbow_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

function(longbow_library folder)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LINK;TESTS;TEST_LINK" ${ARGN})
  string(REPLACE "/" "_" name "${folder}")
  add_library(longbow_${name} STATIC ${ARG_SOURCES})
  target_link_libraries(longbow_${name} PUBLIC longbow_flags Arrow::arrow_shared Threads::Threads ${ARG_LINK})
  foreach(dep ${ARG_DEPS})
    target_link_libraries(longbow_${name} PUBLIC longbow_${dep})
  endforeach()
  if(LONGBOW_TESTS AND ARG_TESTS)
    longbow_test(longbow_${name}_test SOURCES ${ARG_TESTS} LINK longbow_${name} ${ARG_TEST_LINK})
  endif()
endfunction()

# longbow_test(name SOURCES ... LINK ... [LABELS ...]): a GoogleTest program, one ctest entry a program.
function(longbow_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINK;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gtest GTest::gmock GTest::gtest_main)
  add_test(NAME ${name} COMMAND ${name})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)
  endif()
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT})
endfunction()
