//! The functions of `tutin:modbus` as a guest calls them. Every argument is hostile until checked.

use std::borrow::Cow;

use tokio_modbus::prelude::{Request, Response};
use wasmtime::component::Resource;

use super::bindings::tutin::modbus::client::{Error, Host, HostLink};
use super::bindings::tutin::modbus::control;
use super::link::Link;
use super::request::{self, RequestError, check_block};
use crate::capability::{self, Guest};

/// Most items in one request, by function (Modbus Application Protocol 1.1b3, 6.1 to 6.12).
const READ_BITS: usize = 2000;
const READ_REGISTERS: usize = 125;
const WRITE_BITS: usize = 1968;
const WRITE_REGISTERS: usize = 123;

type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl From<RequestError> for Error {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Timeout(_) => Error::Timeout,
            RequestError::Closed(reason) => Error::Closed(reason),
            RequestError::Exception(code) => Error::Exception(code),
            RequestError::BadRequest(text) => Error::BadRequest(text),
            RequestError::BadResponse(text) => Error::BadResponse(text),
        }
    }
}

impl Guest {
    fn modbus(&self, link: &Resource<Link>) -> wasmtime::Result<Link> {
        Ok(self.table.get(link)?.clone())
    }

    async fn ask<T>(
        &mut self,
        link: &Resource<Link>,
        request: Request<'_>,
        judge: impl FnOnce(Response) -> Result<T, RequestError>,
    ) -> Answer<T> {
        let link = self.modbus(link)?;
        let answer = link.call(request, judge).await;
        self.usage.waited();
        Ok(answer.map_err(Error::from))
    }

    async fn write(&mut self, link: &Resource<Link>, request: Request<'static>) -> Answer<()> {
        let sent = request.clone();
        self.ask(link, request, |response| request::echo(&sent, &response)).await
    }
}

impl Host for Guest {}

impl HostLink for Guest {
    async fn open(&mut self, name: String) -> Answer<Resource<Link>> {
        self.usage.host_call()?;
        let opened = self.open_link("Modbus", &name, |link| match link {
            capability::Link::Modbus(link) => Some(link),
            _ => None,
        })?;
        Ok(opened.map_err(Error::BadRequest))
    }

    async fn unit(&mut self, link: Resource<Link>, unit: u8) -> Answer<Resource<Link>> {
        self.usage.host_call()?;
        match self.modbus(&link)?.to_unit(unit) {
            Ok(link) => Ok(Ok(self.hand_out(link)?)),
            Err(error) => Ok(Err(error.into())),
        }
    }

    async fn read_coils(&mut self, link: Resource<Link>, address: u16, count: u16) -> Answer<Vec<bool>> {
        self.usage.host_call()?;
        if let Err(error) = check_block(address, count.into(), READ_BITS) {
            return Ok(Err(error.into()));
        }
        self.ask(&link, Request::ReadCoils(address, count), |response| request::bits(response, count)).await
    }

    async fn read_discrete_inputs(&mut self, link: Resource<Link>, address: u16, count: u16) -> Answer<Vec<bool>> {
        self.usage.host_call()?;
        if let Err(error) = check_block(address, count.into(), READ_BITS) {
            return Ok(Err(error.into()));
        }
        self.ask(&link, Request::ReadDiscreteInputs(address, count), |response| request::bits(response, count)).await
    }

    async fn read_holding_registers(&mut self, link: Resource<Link>, address: u16, count: u16) -> Answer<Vec<u16>> {
        self.usage.host_call()?;
        if let Err(error) = check_block(address, count.into(), READ_REGISTERS) {
            return Ok(Err(error.into()));
        }
        self.ask(&link, Request::ReadHoldingRegisters(address, count), |response| request::registers(response, count))
            .await
    }

    async fn read_input_registers(&mut self, link: Resource<Link>, address: u16, count: u16) -> Answer<Vec<u16>> {
        self.usage.host_call()?;
        if let Err(error) = check_block(address, count.into(), READ_REGISTERS) {
            return Ok(Err(error.into()));
        }
        self.ask(&link, Request::ReadInputRegisters(address, count), |response| request::registers(response, count))
            .await
    }

    async fn drop(&mut self, link: Resource<Link>) -> wasmtime::Result<()> {
        self.table.delete(link)?;
        Ok(())
    }
}

impl control::Host for Guest {
    async fn write_coil(&mut self, link: Resource<Link>, address: u16, value: bool) -> Answer<()> {
        self.usage.host_call()?;
        self.write(&link, Request::WriteSingleCoil(address, value)).await
    }

    async fn write_coils(&mut self, link: Resource<Link>, address: u16, values: Vec<bool>) -> Answer<()> {
        self.usage.host_call()?;
        if let Err(error) = check_block(address, values.len(), WRITE_BITS) {
            return Ok(Err(error.into()));
        }
        self.write(&link, Request::WriteMultipleCoils(address, Cow::Owned(values))).await
    }

    async fn write_register(&mut self, link: Resource<Link>, address: u16, value: u16) -> Answer<()> {
        self.usage.host_call()?;
        self.write(&link, Request::WriteSingleRegister(address, value)).await
    }

    async fn write_registers(&mut self, link: Resource<Link>, address: u16, values: Vec<u16>) -> Answer<()> {
        self.usage.host_call()?;
        if let Err(error) = check_block(address, values.len(), WRITE_REGISTERS) {
            return Ok(Err(error.into()));
        }
        self.write(&link, Request::WriteMultipleRegisters(address, Cow::Owned(values))).await
    }

    async fn call(&mut self, link: Resource<Link>, function: u8, data: Vec<u8>) -> Answer<Vec<u8>> {
        self.usage.host_call()?;
        let request = match request::custom(function, data) {
            Ok(request) => request,
            Err(error) => return Ok(Err(error.into())),
        };
        let data = |response| match response {
            Response::Custom(_, data) => Ok(data.to_vec()),
            other => Err(RequestError::BadResponse(format!("{other:?} to function {function}"))),
        };
        self.ask(&link, request, data).await
    }
}
