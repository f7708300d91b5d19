# cmake --install: headers, both libraries, the command line, pkg-config files, the CMake package.
include(CMakePackageConfigHelpers)

install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/whet DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS whet whet_rt EXPORT whetTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
# opened by name, linked by nobody
install(TARGETS whet_plugins whet_ops LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET whet_cli)
  install(TARGETS whet_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

# paths below the prefix stay relative to it, so that --prefix at install time only needs the first
# line of the file changed
foreach(dir LIBDIR INCLUDEDIR)
  if(IS_ABSOLUTE "${CMAKE_INSTALL_${dir}}")
    set(WHET_PC_${dir} "${CMAKE_INSTALL_${dir}}")
  else()
    set(WHET_PC_${dir} "\${prefix}/${CMAKE_INSTALL_${dir}}")
  endif()
endforeach()
function(install_pc name description)
  configure_file(${CMAKE_SOURCE_DIR}/cmake/whet.pc.in ${CMAKE_BINARY_DIR}/${name}.pc @ONLY)
  # the prefix may be given as late as cmake --install --prefix
  install(CODE "
    file(READ \"${CMAKE_BINARY_DIR}/${name}.pc\" text)
    string(REGEX REPLACE \"^prefix=[^\\n]*\" \"prefix=\${CMAKE_INSTALL_PREFIX}\" text \"\${text}\")
    file(WRITE \"${CMAKE_BINARY_DIR}/installed/${name}.pc\" \"\${text}\")")
  install(FILES ${CMAKE_BINARY_DIR}/installed/${name}.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()
install_pc(whet "Optimizes trained networks and runs them")
install_pc(whet_rt "Runs engines made by whet")

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/whet)
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/whetConfig.cmake.in
  ${CMAKE_BINARY_DIR}/whetConfig.cmake INSTALL_DESTINATION ${package})
# before 1.0 a minor version may change anything
write_basic_package_version_file(${CMAKE_BINARY_DIR}/whetConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/whetConfig.cmake ${CMAKE_BINARY_DIR}/whetConfigVersion.cmake
  DESTINATION ${package})
install(EXPORT whetTargets NAMESPACE whet:: DESTINATION ${package})
