# The folders with kernels alone and their tests, for a processor that is not this machine's: tools/test_neon and
# tools/test_avx512 include it after their project().
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

# GoogleTest from the sources that libgtest-dev brings, since its libraries are the host's.
add_subdirectory(/usr/src/googletest googletest EXCLUDE_FROM_ALL)

# What the folders' CMakeLists ask for, without Arrow and base/, which these folders do not use.
set(LONGBOW_ROOT "${CMAKE_CURRENT_LIST_DIR}/..")
function(longbow_library folder)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LINK;TESTS;TEST_LINK" ${ARGN})
  add_library(longbow_${folder} STATIC ${ARG_SOURCES})
  target_include_directories(longbow_${folder} PUBLIC "${LONGBOW_ROOT}/src")
  target_compile_options(longbow_${folder} PRIVATE -Wall -Wextra -Wpedantic)
  foreach(dep ${ARG_DEPS})
    if(TARGET longbow_${dep})
      target_link_libraries(longbow_${folder} PUBLIC longbow_${dep})
    endif()
  endforeach()
  add_executable(longbow_${folder}_test ${ARG_TESTS})
  target_link_libraries(longbow_${folder}_test PRIVATE longbow_${folder} gtest gmock gtest_main)
endfunction()
add_subdirectory("${LONGBOW_ROOT}/src/longbow/distance" distance)
add_subdirectory("${LONGBOW_ROOT}/src/longbow/codec" codec)
